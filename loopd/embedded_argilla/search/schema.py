"""What the engine has to know of a dataset to build a query; reads three small tables, no more."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from argilla_server.enums import FieldType, MetadataPropertyType, QuestionType
from argilla_server.models import Dataset, Field, MetadataProperty, Question
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

# Elasticsearch does not index the values of the other kinds of question, so nothing matches them.
_TEXT_QUESTIONS = frozenset({QuestionType.label_selection, QuestionType.multi_label_selection})


@dataclass(frozen=True, slots=True)
class QuestionInfo:
    """A question's id and how its values compare: as text, as numbers, or not at all."""

    id: UUID
    type: QuestionType

    @property
    def is_text(self) -> bool:
        return self.type in _TEXT_QUESTIONS

    @property
    def is_number(self) -> bool:
        return bool(self.type == QuestionType.rating)


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """Names of a dataset's fields, metadata properties and questions with what they hold."""

    id: UUID
    fields: dict[str, FieldType]
    metadata: dict[str, MetadataPropertyType]
    questions: dict[str, QuestionInfo]


async def load_schema(db: AsyncSession, dataset: Dataset) -> DatasetSchema:
    """Read the schema afresh: routes pass datasets with different parts of it loaded."""
    fields = await db.execute(select(Field.name, Field.settings).filter_by(dataset_id=dataset.id))
    metadata = await db.execute(
        select(MetadataProperty.name, MetadataProperty.settings).filter_by(dataset_id=dataset.id)
    )
    questions = await db.execute(
        select(Question.name, Question.id, Question.settings).filter_by(dataset_id=dataset.id)
    )
    return DatasetSchema(
        id=dataset.id,
        fields={name: FieldType(settings["type"]) for name, settings in fields},
        metadata={name: MetadataPropertyType(settings["type"]) for name, settings in metadata},
        questions={
            name: QuestionInfo(id_, QuestionType(settings["type"]))
            for name, id_, settings in questions
        },
    )
