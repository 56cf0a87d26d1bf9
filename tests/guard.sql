-- The guard in a test server's database: what `guard.py` says, in SQLite's own words.
-- `guard_ours` holds the names of loopd's metadata.

CREATE TABLE guard_mode (guests INTEGER NOT NULL);
INSERT INTO guard_mode VALUES (1);
CREATE TABLE guard_ours (name TEXT PRIMARY KEY);
CREATE TABLE guard_numbers (n INTEGER PRIMARY KEY);
INSERT INTO guard_numbers VALUES (0), (1), (2), (3), (4), (5);
CREATE TABLE guard_losses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset_id TEXT, -- nothing where the dataset itself is gone
    what TEXT NOT NULL
);

CREATE VIEW guard_guests AS
SELECT id, dataset_id, json_extract(metadata, '$.year') % 3 AS kind
FROM records WHERE json_extract(metadata, '$."kept for"') IS 'later';

-- Guests come ------------------------------------------------------------------------------------

CREATE TRIGGER guard_guests_come AFTER UPDATE OF status ON datasets
WHEN NEW.status = 'ready' AND OLD.status <> 'ready' AND (SELECT guests FROM guard_mode)
BEGIN
    INSERT INTO records
        (id, fields, external_id, dataset_id, inserted_at, updated_at, metadata, status)
    SELECT lower(hex(randomblob(16))),
        (
            SELECT json_group_object(name, CASE json_extract(settings, '$.type')
                WHEN 'chat' THEN json_array(json_object('role', 'user', 'content', words))
                WHEN 'custom' THEN json_object('text', words)
                ELSE words END)
            FROM (
                SELECT name, settings, dataset_id,
                    CASE WHEN required THEN 'a guest''s text, number ' ELSE 'note ' END || n AS words
                FROM fields
            )
            WHERE dataset_id = NEW.id
        ),
        CASE WHEN n % 2 THEN 'guest-' || n END,
        NEW.id, NEW.updated_at, NEW.updated_at,
        json_object('source', 'import', 'year', 2000 + n, 'kept for', 'later'), 'pending'
    FROM guard_numbers;

    INSERT INTO suggestions
        (id, value, score, agent, type, record_id, question_id, inserted_at, updated_at)
    SELECT lower(hex(randomblob(16))), '"as before"', 'null', 'another/agent', NULL,
        g.id, q.id, NEW.updated_at, NEW.updated_at
    FROM guard_guests g JOIN questions q ON q.dataset_id = g.dataset_id
    WHERE g.dataset_id = NEW.id AND g.kind > 0 AND json_extract(q.settings, '$.type') = 'text';

    INSERT INTO responses
        (id, "values", status, record_id, user_id, inserted_at, updated_at)
    SELECT lower(hex(randomblob(16))),
        json_object(q.name, json_object('value', u.username || ' is not sure')), 'draft',
        g.id, u.id, NEW.updated_at, NEW.updated_at
    FROM guard_guests g JOIN questions q ON q.dataset_id = g.dataset_id
    JOIN users u ON u.role = 'annotator' AND u.username NOT LIKE 'oracle%'
    WHERE g.dataset_id = NEW.id AND g.kind = 1 AND json_extract(q.settings, '$.type') = 'text'
    GROUP BY g.id, u.id;

    INSERT INTO vectors
        (id, value, record_id, vector_settings_id, inserted_at, updated_at)
    SELECT lower(hex(randomblob(16))),
        '[' || g.kind || '.0' || replace(hex(zeroblob(v.dimensions - 1)), '00', ', 1.0') || ']',
        g.id, v.id, NEW.updated_at, NEW.updated_at
    FROM guard_guests g JOIN vectors_settings v ON v.dataset_id = g.dataset_id
    WHERE g.dataset_id = NEW.id AND g.kind > 0;
END;

-- Somebody notes something on each record of a run, as soon as it is there.
CREATE TRIGGER guard_notes AFTER INSERT ON records
WHEN json_extract(NEW.metadata, '$.loopd_run') IS NOT NULL AND (SELECT guests FROM guard_mode)
BEGIN
    UPDATE records SET metadata = json_set(metadata, '$."noted by"', 'a guest') WHERE id = NEW.id;
END;

-- Losses in records --------------------------------------------------------------------------------

CREATE TRIGGER guard_records_change AFTER UPDATE ON records
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT OLD.dataset_id, 'record ' || coalesce(OLD.external_id, OLD.id) || ': field `' || was.key
        || '` was ' || quote(was.value) || ', is ' || quote(now.value)
    FROM json_each(OLD.fields) was LEFT JOIN json_each(NEW.fields) now ON now.key = was.key
    WHERE now.value IS NOT was.value;

    INSERT INTO guard_losses (dataset_id, what)
    SELECT OLD.dataset_id, 'record ' || coalesce(OLD.external_id, OLD.id) || ': metadata `'
        || was.key || '` was ' || quote(was.value) || ', is ' || quote(now.value)
    FROM json_each(OLD.metadata) was LEFT JOIN json_each(NEW.metadata) now ON now.key = was.key
    WHERE now.value IS NOT was.value AND was.key NOT IN (SELECT name FROM guard_ours);

    INSERT INTO guard_losses (dataset_id, what)
    SELECT OLD.dataset_id, 'a guest has ' || now.key || ' = ' || quote(now.value)
    FROM json_each(NEW.metadata) now
    WHERE now.key IN (SELECT name FROM guard_ours)
        AND OLD.id IN (SELECT id FROM guard_guests WHERE id = OLD.id);

    INSERT INTO guard_losses (dataset_id, what)
    SELECT OLD.dataset_id, 'record ' || quote(OLD.external_id) || ' is ' || quote(NEW.external_id)
    WHERE NEW.external_id IS NOT OLD.external_id;
END;

CREATE TRIGGER guard_records_go AFTER DELETE ON records
WHEN json_extract(OLD.metadata, '$.loopd_run') IS NULL
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'record of others is gone: ' || OLD.fields);
END;

-- Losses in what hangs on records ------------------------------------------------------------------

CREATE TRIGGER guard_suggestions_change AFTER UPDATE ON suggestions
WHEN coalesce(OLD.agent, '') NOT LIKE 'loopd:%'
    AND NOT (NEW.value IS OLD.value AND NEW.score IS OLD.score AND NEW.agent IS OLD.agent)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'suggestion of ' || quote(OLD.agent) || ' was ' || OLD.value || ', is '
        || NEW.value || ' of ' || quote(NEW.agent)
    FROM records WHERE id = OLD.record_id;
END;

CREATE TRIGGER guard_suggestions_go AFTER DELETE ON suggestions
WHEN coalesce(OLD.agent, '') NOT LIKE 'loopd:%'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'suggestion of ' || quote(OLD.agent) || ' is gone: ' || OLD.value
    FROM records WHERE id = OLD.record_id;
END;

CREATE TRIGGER guard_suggestions_come AFTER INSERT ON suggestions
WHEN NEW.agent LIKE 'loopd:%'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'a guest has a suggestion of ' || NEW.agent
    FROM guard_guests WHERE id = NEW.record_id;
END;

CREATE TRIGGER guard_responses_come AFTER INSERT ON responses
WHEN NEW.status <> 'draft'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'a guest has an answer: ' || coalesce(NEW."values", NEW.status)
    FROM guard_guests WHERE id = NEW.record_id;
END;

CREATE TRIGGER guard_responses_change AFTER UPDATE ON responses
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'a guest''s answer was ' || quote(OLD."values") || ', is '
        || quote(NEW."values") || ', ' || NEW.status
    FROM guard_guests WHERE id = OLD.record_id;
END;

CREATE TRIGGER guard_responses_go AFTER DELETE ON responses
WHEN EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'a guest''s answer is gone: ' || quote(OLD."values")
    FROM guard_guests WHERE id = OLD.record_id;
END;

CREATE TRIGGER guard_vectors_change AFTER UPDATE ON vectors
WHEN NEW.value IS NOT OLD.value
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'vector was ' || OLD.value || ', is ' || NEW.value
    FROM records WHERE id = OLD.record_id;
END;

CREATE TRIGGER guard_vectors_go AFTER DELETE ON vectors
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT dataset_id, 'vector is gone: ' || OLD.value FROM records WHERE id = OLD.record_id;
END;

-- Losses in settings, once a dataset is published ----------------------------------------------------

CREATE TRIGGER guard_datasets_change AFTER UPDATE ON datasets
WHEN OLD.status = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    SELECT OLD.id, 'dataset `' || OLD.name || '`: ' || was.key || ' was ' || quote(was.value)
        || ', is ' || quote(now.value)
    FROM json_each(json_object(
        'name', OLD.name, 'status', OLD.status, 'guidelines', OLD.guidelines,
        'distribution', OLD.distribution, 'allow_extra_metadata', OLD.allow_extra_metadata,
        'metadata', OLD.metadata
    )) was
    JOIN json_each(json_object(
        'name', NEW.name, 'status', NEW.status, 'guidelines', NEW.guidelines,
        'distribution', NEW.distribution, 'allow_extra_metadata', NEW.allow_extra_metadata,
        'metadata', NEW.metadata
    )) now ON now.key = was.key
    WHERE now.value IS NOT was.value;
END;

CREATE TRIGGER guard_datasets_go AFTER DELETE ON datasets
WHEN OLD.status = 'ready'
BEGIN
    INSERT INTO guard_losses (what) VALUES ('dataset `' || OLD.name || '` is gone');
END;

CREATE TRIGGER guard_fields_change AFTER UPDATE ON fields
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
    AND NOT (NEW.name IS OLD.name AND NEW.title IS OLD.title AND NEW.required IS OLD.required AND NEW.settings IS OLD.settings)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'fields: `' || OLD.name || '` is `' || NEW.name || '`: '
        || quote(NEW.title) || ' ' || quote(NEW.required) || ' ' || quote(NEW.settings));
END;

CREATE TRIGGER guard_fields_go AFTER DELETE ON fields
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'fields: `' || OLD.name || '` is gone');
END;

CREATE TRIGGER guard_fields_come AFTER INSERT ON fields
WHEN (SELECT status FROM datasets WHERE id = NEW.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (NEW.dataset_id, 'fields: `' || NEW.name || '` is new');
END;

CREATE TRIGGER guard_questions_change AFTER UPDATE ON questions
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
    AND NOT (NEW.name IS OLD.name AND NEW.title IS OLD.title AND NEW.description IS OLD.description AND NEW.required IS OLD.required AND NEW.settings IS OLD.settings)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'questions: `' || OLD.name || '` is `' || NEW.name || '`: '
        || quote(NEW.title) || ' ' || quote(NEW.description) || ' ' || quote(NEW.required) || ' ' || quote(NEW.settings));
END;

CREATE TRIGGER guard_questions_go AFTER DELETE ON questions
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'questions: `' || OLD.name || '` is gone');
END;

CREATE TRIGGER guard_questions_come AFTER INSERT ON questions
WHEN (SELECT status FROM datasets WHERE id = NEW.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (NEW.dataset_id, 'questions: `' || NEW.name || '` is new');
END;

CREATE TRIGGER guard_vectors_settings_change AFTER UPDATE ON vectors_settings
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
    AND NOT (NEW.name IS OLD.name AND NEW.title IS OLD.title AND NEW.dimensions IS OLD.dimensions)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'vectors_settings: `' || OLD.name || '` is `' || NEW.name || '`: '
        || quote(NEW.title) || ' ' || quote(NEW.dimensions));
END;

CREATE TRIGGER guard_vectors_settings_go AFTER DELETE ON vectors_settings
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'vectors_settings: `' || OLD.name || '` is gone');
END;

CREATE TRIGGER guard_vectors_settings_come AFTER INSERT ON vectors_settings
WHEN (SELECT status FROM datasets WHERE id = NEW.dataset_id) = 'ready'
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (NEW.dataset_id, 'vectors_settings: `' || NEW.name || '` is new');
END;

CREATE TRIGGER guard_metadata_properties_change AFTER UPDATE ON metadata_properties
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
    AND OLD.name NOT IN (SELECT name FROM guard_ours)
    AND NOT (NEW.name IS OLD.name AND NEW.title IS OLD.title AND NEW.settings IS OLD.settings AND NEW.allowed_roles IS OLD.allowed_roles)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'metadata_properties: `' || OLD.name || '` is `' || NEW.name || '`: '
        || quote(NEW.title) || ' ' || quote(NEW.settings) || ' ' || quote(NEW.allowed_roles));
END;

CREATE TRIGGER guard_metadata_properties_go AFTER DELETE ON metadata_properties
WHEN (SELECT status FROM datasets WHERE id = OLD.dataset_id) = 'ready'
    AND OLD.name NOT IN (SELECT name FROM guard_ours)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (OLD.dataset_id, 'metadata_properties: `' || OLD.name || '` is gone');
END;

CREATE TRIGGER guard_metadata_properties_come AFTER INSERT ON metadata_properties
WHEN (SELECT status FROM datasets WHERE id = NEW.dataset_id) = 'ready'
    AND NEW.name NOT IN (SELECT name FROM guard_ours)
BEGIN
    INSERT INTO guard_losses (dataset_id, what)
    VALUES (NEW.dataset_id, 'metadata_properties: `' || NEW.name || '` is new');
END;
