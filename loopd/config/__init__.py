"""Every setting, its default and its meaning; must not look at files, data or servers."""

from loopd.config.audit import AuditSection
from loopd.config.compute import ComputeSection
from loopd.config.dashboard import DashboardSection
from loopd.config.data import ArgillaPoolSection, DataSection, PoolSection
from loopd.config.learning import PACKAGED_MODEL, ClassifierSection, StrategySection
from loopd.config.people import ConsensusSection, QueueSection, RelabelSection
from loopd.config.places import ArgillaSection, LogSection, RunSection
from loopd.config.section import NAME_PATTERN, Section
from loopd.config.sinks import MlflowSection, SinksSection
from loopd.config.stopping import CRITERIA, CriterionSection, StoppingSection
from loopd.config.task import LONGEST_LABEL, TaskSection, label_key
from loopd.config.whole import ACTIVELAB, Config

__all__ = [
    "ACTIVELAB",
    "CRITERIA",
    "LONGEST_LABEL",
    "NAME_PATTERN",
    "PACKAGED_MODEL",
    "ArgillaPoolSection",
    "ArgillaSection",
    "AuditSection",
    "ClassifierSection",
    "ComputeSection",
    "Config",
    "ConsensusSection",
    "CriterionSection",
    "DashboardSection",
    "DataSection",
    "LogSection",
    "MlflowSection",
    "PoolSection",
    "QueueSection",
    "RelabelSection",
    "RunSection",
    "Section",
    "SinksSection",
    "StoppingSection",
    "StrategySection",
    "TaskSection",
    "label_key",
]
