"""Owns the faults in measuring models and in what ends a run; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

OTHER_CONFIGURATION_TESTS = ("tests/loop/test_other_configurations.py",)
BORDER_TESTS = ("tests/loop/test_rounds.py::test_the_border",)

EVALUATION: tuple[Fault, ...] = (
    Fault(
        "stopping criteria of another configuration count",
        "loop/verdict.py",
        'return same and evaluated.stopping.get(name, {}).get("stop") is True',
        'return evaluated.stopping.get(name, {}).get("stop") is True',
        OTHER_CONFIGURATION_TESTS,
    ),
    Fault(
        "audit predictions of another configuration count",
        "loop/audit_figures.py",
        "if number in state.trained and event.config_digest == state.config_digest",
        "if number in state.trained",
        OTHER_CONFIGURATION_TESTS,
    ),
    Fault(
        "a criterion needs to hold once only",
        "loop/verdict.py",
        "recent = rounds[-section.patience :]",
        "recent = rounds[-1:] * section.patience",
        OTHER_CONFIGURATION_TESTS,
    ),
    Fault(
        "a criterion holds before there are rounds enough",
        "loop/verdict.py",
        "    if len(recent) < section.patience:\n        return None\n",
        "",
        OTHER_CONFIGURATION_TESTS,
    ),
    Fault(
        "a criterion that is only on record ends the run",
        "loop/verdict.py",
        "if criterion.stop and all(",
        "if all(",
        OTHER_CONFIGURATION_TESTS,
    ),
    Fault(
        "one round too many",
        "loop/verdict.py",
        '"stop": rounds >= section.max_rounds}',
        '"stop": rounds > section.max_rounds}',
        BORDER_TESTS,
    ),
    Fault(
        "a label beyond the budget",
        "loop/verdict.py",
        '"stop": labels >= section.label_budget}',
        '"stop": labels > section.label_budget}',
        ("tests/loop/test_rounds.py::test_the_borders_of_budget_and_target",),
    ),
    Fault(
        "an accuracy just at the target is too low",
        "loop/verdict.py",
        "accuracy.value >= section.target_accuracy",
        "accuracy.value > section.target_accuracy",
        ("tests/loop/test_rounds.py::test_the_borders_of_budget_and_target",),
    ),
    Fault(
        "the last batch does not end at the budget",
        "loop/verdict.py",
        "min(size, section.label_budget - labels)",
        "size",
        ("tests/loop/test_rounds.py::test_the_borders_of_budget_and_target",),
    ),
    Fault(
        "a criterion forgets one round of its window",
        "evaluation/stopping.py",
        "        if len(latest) == most:\n            break\n        predictions = decode(text)\n",
        "        if most and len(latest) == most - 1:\n            break\n"
        "        predictions = decode(text)\n",
        ("tests/evaluation/test_stopping.py::test_what_is_replayed_is_as_good_as_everything",),
    ),
    Fault(
        "a criterion is shown the rounds backwards",
        "evaluation/stopping.py",
        "    return latest[::-1]\n",
        "    return latest\n",
        ("tests/evaluation/test_stopping.py::test_what_is_replayed_is_as_good_as_everything",),
    ),
    Fault(
        "a stop set of another size is compared",
        "evaluation/stopping.py",
        "        if len(predictions) != size:\n            break\n",
        "        if len(predictions) != size:\n            continue\n",
        ("tests/evaluation/test_stopping.py::test_a_stop_set_of_another_size_starts_afresh",),
    ),
    Fault(
        "the rounds before do not count",
        "evaluation/stopping.py",
        "            _count(criterion, len(history))\n",
        "            _count(criterion, 0)\n",
        ("tests/evaluation/test_stopping.py::test_what_is_replayed_is_as_good_as_everything",),
    ),
    Fault(
        "more than 255 labels wrap around",
        "evaluation/stopping.py",
        "predictions.max() < 256",
        "predictions.max() < 70000",
        ("tests/evaluation/test_stopping.py::test_encoding_is_exact_and_compact",),
    ),
    Fault(
        "an interval of few draws is the normal one",
        "evaluation/audit_intervals.py",
        'method="exact"',
        'method="wilson"',
        (
            "tests/evaluation/test_audit.py"
            "::test_the_interval_of_a_share_covers_it_for_few_draws_too",
        ),
    ),
    Fault(
        "the interval of F1 is not widened for few texts",
        "evaluation/audit_intervals.py",
        "x = np.concatenate([2 * right, [usual, usual, 0.0, 0.0]])",
        "x = np.concatenate([2 * right, [usual, usual, usual, usual]])",
        ("tests/evaluation/test_audit.py::test_f1_stays_between_none_and_all",),
    ),
    Fault(
        "labels that never occur are in the mean of F1",
        "evaluation/metrics.py",
        "occurring = sorted({*gold, *predicted})",
        "occurring = list(labels)",
        ("tests/evaluation/test_metrics.py",),
    ),
)
