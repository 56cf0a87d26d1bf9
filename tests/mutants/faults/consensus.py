"""Owns the faults in counting votes; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

CONSENSUS_TESTS = ("tests/annotation/test_consensus.py",)
SMOOTHING_TESTS = ("tests/annotation/test_smoothing.py",)
VOTE_TESTS = ("tests/annotation/test_votes.py",)

CONSENSUS: tuple[Fault, ...] = (
    Fault(
        "Dawid-Skene smooths no shares",
        "annotation/consensus/confusions.py",
        "COMMON = 20.0",
        "COMMON = 0.0",
        SMOOTHING_TESTS,
    ),
    Fault(
        "Dawid-Skene smooths no annotator",
        "annotation/consensus/confusions.py",
        "CREDIT = 2.0",
        "CREDIT = 0.0",
        SMOOTHING_TESTS,
    ),
    Fault(
        "Dawid-Skene smooths no confusions",
        "annotation/consensus/confusions.py",
        "detailed = (counts + OWN * simple) / (rows[pairs.person] + OWN)",
        "detailed = (counts + 1e-9 * simple) / (rows[pairs.person] + 1e-9)",
        SMOOTHING_TESTS,
    ),
    Fault(
        "Dawid-Skene credits counts with nothing",
        "annotation/consensus/confusions.py",
        "(counts + COMMON * usual) / (counts.sum(axis=-1, keepdims=True) + COMMON)",
        "(counts + 1e-9 * usual) / (counts.sum(axis=-1, keepdims=True) + 1e-9)",
        SMOOTHING_TESTS,
    ),
    Fault(
        "Dawid-Skene reports unsmoothed quality",
        "annotation/consensus/confusions.py",
        "(right + CREDIT * right.sum() / cast.sum()) / (cast + CREDIT)",
        "right / np.maximum(cast, 1)",
        SMOOTHING_TESTS,
    ),
    Fault(
        "Dawid-Skene learns from votes that nobody else judged",
        "annotation/consensus/confusions.py",
        "learnt = judged & several",
        "learnt = judged",
        SMOOTHING_TESTS,
    ),
    Fault(
        "two people judge each other",
        "annotation/consensus/confusions.py",
        "WITNESSES, PARTIES = 3, 4",
        "WITNESSES, PARTIES = 2, 4",
        ("tests/annotation/test_crowds.py::test_two_people_cannot_judge_each_other",),
    ),
    Fault(
        "somebody is inverted without evidence",
        "annotation/consensus/confusions.py",
        "PROOF = 7.0",
        "PROOF = -1e9",
        SMOOTHING_TESTS,
    ),
    Fault(
        "three people need no proof each",
        "annotation/consensus/proof.py",
        "    if len(leads) < JURY:\n",
        "    if False:\n",
        ("tests/annotation/test_crowds.py::test_the_median_person_must_be_better_than_guessing",),
    ),
    Fault(
        "somebody who always says the same agrees",
        "annotation/consensus/proof.py",
        "return alike - by_chance > ERRORS * error",
        "return alike > ERRORS * error",
        ("tests/annotation/test_crowds.py::test_who_always_says_the_same_agrees_with_nobody",),
    ),
    Fault(
        "what is held out teaches CROWDLAB",
        "annotation/consensus/resolving.py",
        "for id_, votes in ballots.items() if id_ not in held_out}",
        "for id_, votes in ballots.items()}",
        CONSENSUS_TESTS,
    ),
    Fault(
        "a tie is not counted as one",
        "annotation/consensus/resolving.py",
        "ties=sum(tally.tied for tally in tallies.values()),",
        "ties=0,",
        CONSENSUS_TESTS,
    ),
    Fault(
        "annotators are judged by their own votes too",
        "annotation/consensus/agreement.py",
        "others = [other for other in votes if other is not vote]",
        "others = list(votes)",
        CONSENSUS_TESTS,
    ),
    Fault(
        "three answers prove everything",
        "annotation/consensus/agreement.py",
        "SMOOTHING = 5.0",
        "SMOOTHING = 0.0001",
        CONSENSUS_TESTS,
    ),
    Fault(
        "of several labels one with two votes of five wins",
        "annotation/consensus/majority.py",
        "if part in votes[0].target if even else 2 * behind > whole:",
        "if part in votes[0].target if even else 3 * behind > whole:",
        CONSENSUS_TESTS,
    ),
    Fault(
        "weights may turn a vote against what it says",
        "annotation/consensus/weighted.py",
        "return min(SURE, max(chance + BARELY, share))",
        "return min(SURE, max(BARELY, share))",
        CONSENSUS_TESTS,
    ),
    Fault(
        "votes come in any order",
        "annotation/consensus/votes.py",
        "    return vote.time, vote.annotator\n",
        '    return "", vote.annotator\n',
        VOTE_TESTS,
    ),
    Fault(
        "the same person counts as another one",
        "annotation/consensus/votes.py",
        "    ignored = entry.repeats if another_person else NO_KEYS\n    return [",
        "    ignored = NO_KEYS\n    return [",
        VOTE_TESTS,
    ),
    Fault(
        "the answer on the original beats that on a copy",
        "annotation/consensus/votes.py",
        "_rank(before, entry) < _rank(answer, entry)",
        "_rank(before, entry) > _rank(answer, entry)",
        VOTE_TESTS,
    ),
    Fault(
        "what nobody is left to answer waits for ever",
        "annotation/consensus/votes.py",
        "return bool(people) and people <= reacted(entry)",
        "return False",
        VOTE_TESTS,
    ),
    Fault(
        "answers on deleted records count",
        "annotation/consensus/index.py",
        " or published_as(record_id) in deleted)",
        ")",
        VOTE_TESTS,
    ),
    Fault(
        "a copy waits for as many as a new text",
        "annotation/consensus/index.py",
        "(needed if id_ == original_id else 1)",
        "needed",
        VOTE_TESTS,
    ),
    Fault(
        "a discard leaves a record open",
        "annotation/consensus/index.py",
        "        if is_given(answer) and (answer.external_id, answer.annotator) not in ignored\n",
        "        if answer.status is AnswerStatus.SUBMITTED\n",
        (*VOTE_TESTS, "tests/annotation/test_second_opinions.py"),
    ),
)
