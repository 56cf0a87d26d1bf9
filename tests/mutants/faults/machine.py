"""Owns the faults in the machine; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

MACHINE_TESTS = ("tests/unit/test_machine.py",)

MACHINE: tuple[Fault, ...] = (
    Fault(
        "a run that resumes with a trained model does not train again",
        "machine.py",
        "        RoundEvaluated: Phase.DECIDE,\n        RunResumed: Phase.TRAIN,",
        "        RoundEvaluated: Phase.DECIDE,\n        RunResumed: Phase.EVALUATE,",
        MACHINE_TESTS,
    ),
    Fault(
        "a new number of answers ends collecting",
        "machine.py",
        "SettingsAdopted: Phase.COLLECT,",
        "SettingsAdopted: Phase.TRAIN,",
        MACHINE_TESTS,
    ),
    Fault(
        "a published batch may be planned over",
        "machine.py",
        "        BatchPublished: Phase.COLLECT,\n",
        "        BatchPublished: Phase.COLLECT,\n        BatchPlanned: Phase.PUBLISH,\n",
        MACHINE_TESTS,
    ),
    Fault(
        "a run that is over cannot grow",
        "machine.py",
        "**_grows(Phase.DECIDE), TextsWithdrawn: Phase.DONE}",
        "TextsWithdrawn: Phase.DONE}",
        MACHINE_TESTS,
    ),
    Fault(
        "a run that is over wakes when a text is withdrawn",
        "machine.py",
        "if state.phase is Phase.DONE is not target and",
        "if state.phase is Phase.DONE and",
        MACHINE_TESTS,
    ),
    Fault(
        "answers on withdrawn texts count",
        "machine.py",
        "without(state.answers, records)",
        "state.answers",
        MACHINE_TESTS,
    ),
    Fault(
        "answers on withdrawn texts come back",
        "machine.py",
        "if isinstance(event, AnswersCollected) and state.withdrawn:",
        "if False:",
        MACHINE_TESTS,
    ),
    Fault(
        "copies of withdrawn texts are waited for",
        "folding.py",
        "chain(map(published_as, ids), copies)",
        "map(published_as, ids)",
        MACHINE_TESTS,
    ),
    Fault(
        "a run that ended without a model decides with none",
        "machine.py",
        "if state.phase is Phase.DONE is not target and state.round not in state.evaluated:",
        "if state.phase is Phase.DONE is not target and state.round in state.evaluated:",
        MACHINE_TESTS,
    ),
    Fault(
        "a run that ended before its first batch collects",
        "machine.py",
        "target = Phase.COLLECT if state.batches else Phase.SEED",
        "target = Phase.COLLECT",
        MACHINE_TESTS,
    ),
    Fault(
        "the older answer of a person stays",
        "machine.py",
        "answers = growing(state.answers).updated(facts)",
        "answers = growing(dict(facts)).updated(state.answers.items())",
        MACHINE_TESTS,
    ),
    Fault(
        "restored records stay deleted",
        "machine.py",
        "changed(state.deleted, event.deleted, event.restored)",
        "changed(state.deleted, event.deleted, ())",
        MACHINE_TESTS,
    ),
    Fault(
        "people whose accounts come back stay away",
        "machine.py",
        "changed(state.departed, event.departed, event.returned)",
        "changed(state.departed, event.departed, ())",
        MACHINE_TESTS,
    ),
    Fault(
        "what came back to the pool stays gone",
        "machine.py",
        "(state.gone | set(event.gone)) - set(event.back)",
        "(state.gone | set(event.gone))",
        MACHINE_TESTS,
    ),
    Fault(
        "a resumed run keeps the old configuration",
        "machine.py",
        "after = replace(state, config_digest=digest, contenders=contenders)",
        "after = replace(state, contenders=contenders)",
        MACHINE_TESTS,
    ),
    Fault(
        "a new configuration keeps the number of answers adopted before",
        "machine.py",
        "return replace(after, stopped=None, min_submitted=adopted)",
        "return replace(after, stopped=None)",
        (*MACHINE_TESTS, "tests/loop/test_settings.py::test_a_new_configuration_counts_again"),
    ),
    Fault(
        "predictions of older rounds are forgotten where only news is written",
        "folding.py",
        "before = predicted[event.predicted_since]",
        "before = {}",
        MACHINE_TESTS,
    ),
    Fault(
        "rounds whose measures were lost do not count",
        "machine.py",
        "return sum(map(self.counts, chose | set(self.evaluated)))",
        "return sum(map(self.counts, set(self.evaluated)))",
        MACHINE_TESTS,
    ),
    Fault(
        "a model of descriptions counts as a round",
        "machine.py",
        "return number != BEFORE and (closed",
        "return (closed",
        MACHINE_TESTS,
    ),
    Fault(
        "look-ups made before a recovery are kept",
        "machine.py",
        "if any(isinstance(event, RunRecovered) for event in events):",
        "if False:",
        MACHINE_TESTS,
    ),
    Fault(
        "answers joined for folding take the time of the first",
        "folding.py",
        "AnswersCollected(max(fact.at for fact in facts), answers)",
        "AnswersCollected(min(fact.at for fact in facts), answers)",
        MACHINE_TESTS,
    ),
)
