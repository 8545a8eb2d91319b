"""What was run, on the page: from where to where, in which settings, and how often controls were drawn."""

from lth.report.facts import draws_of_controls, job_facts


def row(level=0, arm="ticket", draw=0, rewind=0, setting="a"):
    place = {"level": level, "arm": arm, "draw": draw, "rewind": rewind, "setting": setting, "seed": 0}
    return place | {"data": "mnist", "model": "mlp", "density": 0.8**level, "iterations": 1000, "weights_left": None}


def test_one_rewind_point_and_its_setting():
    facts = job_facts([row(), row(1), row(1, "reinit", 1)])
    assert facts["training"] == "iterations 0 to 1,000 at every level"
    assert facts["setting"] == "a, the same for every seed" and facts["seed"] == "0, 2 draws of each random control"


def test_several_rewind_points_have_a_setting_each():
    facts = job_facts([row(rewind=300, setting="b"), row(rewind=100), row(1, rewind=300, setting="b")])
    assert facts["training"] == "to iteration 1,000, from 100 and 300"
    assert facts["setting"] == "b, a, the same for every seed"


def test_children_of_one_network_are_no_draws_of_a_control():
    children = [row(level, draw=draw) for level in (0, 1) for draw in (0, 1)]
    assert draws_of_controls(children) == 1 and "draws" not in job_facts(children)["seed"]
    assert draws_of_controls([row(), row(1), row(1, "reinit", 2)]) == 3
