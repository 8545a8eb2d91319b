"""The answer: the smallest and the fastest form that holds its accuracy, chosen on validation."""

from lth.experiments.deploy.answer import answer, sentences

from lth.report.results import Results


def test_the_answer_names_what_holds_on_validation(costs, examples):
    text = " ".join(sentences(costs, examples, 0.5))
    assert "on validation, the smallest file is the dense network: 1.0 times smaller" in text
    better = [row | {"validation_accuracy": 0.95} if row["level"] == 2 else row for row in costs]
    text = " ".join(sentences(better, examples, 0.5))
    assert "the smallest file is packed_int8 of weights at 25.0%: 10.0 times smaller, at 81.00%" in text
    assert "The fastest at batch 64 is shrunk of weights" in text and "2.10 times as fast" in text
    error = 100 * (2 * 0.91 * 0.09 / 100) ** 0.5
    assert f"binomial error of a difference on 100 validation examples is {error:.2f} points" in text


def test_without_a_validation_split_forms_are_chosen_on_the_test_set(costs, examples):
    rows = [row | {"validation_accuracy": None} for row in costs]
    text = " ".join(sentences(rows, examples, 0.5))
    assert "Within 0.5 points of the dense network on test, the smallest file is the dense network" in text
    assert "on 400 test examples" in text


def test_masked_is_never_called_fast_whatever_was_measured(costs, examples):
    """Its kernels are the dense network's: in a disturbed run it was named as the fastest, at ten times dense."""
    lucky = [row | {"batch_64_speedup": 10.0} if row["form"] == "masked" else row for row in costs]
    text = " ".join(sentences([row | {"validation_accuracy": 0.95} for row in lucky], examples, 0.5))
    assert "The fastest at batch 64 is shrunk of weights" in text
    assert "Masked ran at 10.00 to 10.00x and counts as 1x" in text


def test_a_dense_network_that_diverged_leaves_nothing_to_measure():
    assert answer(Results({"results": [{"status": "diverged"}], "cost": []})) == [
        "The training of the dense network diverged: there is no ticket to measure."
    ]
