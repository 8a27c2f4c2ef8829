ALTER TABLE results ADD COLUMN truth TEXT;
UPDATE results SET truth = (SELECT truth FROM labels WHERE result = results.id ORDER BY id DESC LIMIT 1) WHERE id IN (SELECT result FROM labels);

CREATE INDEX results_filter ON results (id, time, model, verdict, truth, score, source);
CREATE INDEX results_kept ON results (verdict, time) WHERE image IS NOT NULL;
CREATE TABLE tally (
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    verdict TEXT NOT NULL,
    truth TEXT NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (hour, model, verdict, truth)
) WITHOUT ROWID;
INSERT INTO tally
SELECT CAST(time / 3600 AS INTEGER) - (time < CAST(time / 3600 AS INTEGER) * 3600), model, coalesce(verdict, 'failed'), coalesce(truth, ''), count(*)
FROM results GROUP BY 1, 2, 3, 4;
CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN
    INSERT INTO tally (hour, model, verdict, truth, images)
    VALUES (CAST(NEW.time / 3600 AS INTEGER) - (NEW.time < CAST(NEW.time / 3600 AS INTEGER) * 3600), NEW.model, coalesce(NEW.verdict, 'failed'), coalesce(NEW.truth, ''), 1)
    ON CONFLICT (hour, model, verdict, truth) DO UPDATE SET images = images + 1;
END;
CREATE TRIGGER results_delete AFTER DELETE ON results BEGIN
    INSERT INTO tally (hour, model, verdict, truth, images)
    VALUES (CAST(OLD.time / 3600 AS INTEGER) - (OLD.time < CAST(OLD.time / 3600 AS INTEGER) * 3600), OLD.model, coalesce(OLD.verdict, 'failed'), coalesce(OLD.truth, ''), -1)
    ON CONFLICT (hour, model, verdict, truth) DO UPDATE SET images = images + -1;
END;
CREATE TRIGGER results_update AFTER UPDATE OF time, model, verdict, truth ON results BEGIN

    INSERT INTO tally (hour, model, verdict, truth, images)
    VALUES (CAST(OLD.time / 3600 AS INTEGER) - (OLD.time < CAST(OLD.time / 3600 AS INTEGER) * 3600), OLD.model, coalesce(OLD.verdict, 'failed'), coalesce(OLD.truth, ''), -1)
    ON CONFLICT (hour, model, verdict, truth) DO UPDATE SET images = images + -1;
    INSERT INTO tally (hour, model, verdict, truth, images)
    VALUES (CAST(NEW.time / 3600 AS INTEGER) - (NEW.time < CAST(NEW.time / 3600 AS INTEGER) * 3600), NEW.model, coalesce(NEW.verdict, 'failed'), coalesce(NEW.truth, ''), 1)
    ON CONFLICT (hour, model, verdict, truth) DO UPDATE SET images = images + 1;
END;
CREATE TRIGGER labels_insert AFTER INSERT ON labels BEGIN
    UPDATE results SET truth = (SELECT truth FROM labels WHERE result = NEW.result ORDER BY id DESC LIMIT 1) WHERE id = NEW.result;
END;
CREATE TRIGGER labels_delete AFTER DELETE ON labels BEGIN
    UPDATE results SET truth = (SELECT truth FROM labels WHERE result = OLD.result ORDER BY id DESC LIMIT 1) WHERE id = OLD.result;
END;
CREATE TRIGGER labels_update AFTER UPDATE ON labels BEGIN
    UPDATE results SET truth = (SELECT truth FROM labels WHERE result = OLD.result ORDER BY id DESC LIMIT 1) WHERE id = OLD.result;
    UPDATE results SET truth = (SELECT truth FROM labels WHERE result = NEW.result ORDER BY id DESC LIMIT 1) WHERE id = NEW.result;
END;
CREATE TABLE removals (image TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = 3;
