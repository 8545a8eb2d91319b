"""What a caption says of seeds and error bars."""

from lth.report.figures.captions import about_bars, about_diverged, about_draws, about_seeds, seeds_in
from lth.report.intervals import Interval, min_max, t_interval


def test_seeds_are_counted_in_each_setting(make_rows):
    rows = make_rows({}, seeds=5)
    assert seeds_in(rows) == "n = 5"
    assert seeds_in([row for row in rows if (row["seed"], row["level"]) != (4, 2)]) == "n = 4 to 5"
    other = make_rows({}, seeds=2, setting="one-shot")
    assert seeds_in([*rows, *other]) == "n = 2 to 5"  # the five of one setting are none of the other's


def test_a_caption_names_the_intervals_and_what_is_averaged(make_rows, diverged):
    rows = make_rows({"reinit": 2}, seeds=3)
    assert about_seeds(rows, t_interval) == (
        "Means over seeds (n = 3); error bars: 95% t intervals over seeds. The draws of reinit are averaged within a"
        " seed. "
    )
    assert "from the lowest to the highest seed" in about_seeds(rows, min_max)
    lost = [diverged(row) if (row["arm"], row["level"], row["draw"]) == ("reinit", 3, 1) else row for row in rows]
    assert about_seeds(lost, t_interval).endswith(
        "Trainings: of reinit at 51.2% 3 of 6 failed (12% to 88%); those that diverged are in no mean. "
    )


def test_one_seed_has_no_error_bars(make_rows):
    assert about_seeds(make_rows({}), t_interval) == "One seed. "


def test_intervals_from_elsewhere_have_their_functions_name():
    def quartiles(values):
        return Interval(0.0, None, None, len(values))

    assert about_bars(quartiles) == "quartiles"


def test_a_caption_says_what_was_drawn_several_times_and_what_diverged(make_rows, diverged):
    lost = {("reinit", 3), *(("shuffle", level) for level in range(1, 6))}
    rows = [
        diverged(row) if (row["arm"], row["level"]) in lost else row for row in make_rows({"shuffle": 1, "reinit": 2})
    ]
    assert about_draws(rows) == (
        "For reinit: means over 2 draws, bands from the lowest to the highest. Trainings: of shuffle at 80.0%,"
        " 64.0%, 51.2%, 41.0%, 32.8% 1 of 1 failed; of reinit at 51.2% 2 of 2 failed (16% to 100%); those that diverged"
        " are in no mean. "
    )
    assert about_draws(make_rows({"reinit": 1})) == ""
    two = [row | {"model": model} for model, row in zip(("a", "b"), make_rows({}, levels=1), strict=True)]
    assert about_diverged([diverged(row) for row in two]) == (
        "Trainings: of a ticket at 100% 1 of 1 failed; of b ticket at 80.0% 1 of 1 failed; those that diverged are in"
        " no mean. "
    )
