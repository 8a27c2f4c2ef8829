BEGIN TRANSACTION;
CREATE TABLE drift (
    model TEXT NOT NULL,
    weights TEXT NOT NULL,
    state TEXT NOT NULL,
    before TEXT,
    PRIMARY KEY (model, weights)
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    model TEXT NOT NULL,
    what TEXT NOT NULL,
    details TEXT NOT NULL
);
INSERT INTO "events" VALUES(1,1772442005.0,'Ada','parts','thresholds','{"threshold": 20.4}');
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), secret TEXT NOT NULL, made REAL NOT NULL);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    result INTEGER NOT NULL REFERENCES results (id),
    time REAL NOT NULL,
    who TEXT NOT NULL,
    truth TEXT NOT NULL CHECK (truth IN ('good', 'defect')),
    note TEXT NOT NULL
);
INSERT INTO "labels" VALUES(1,2,1772442001.0,'Ada','good','dust');
INSERT INTO "labels" VALUES(2,2,1772442002.0,'Bo','defect','');
INSERT INTO "labels" VALUES(3,1,1772442003.0,'','good','');
CREATE TABLE outbox (stream TEXT PRIMARY KEY, number INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "outbox" VALUES('results',2,1772442006.0);
CREATE TABLE removals (image TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    source TEXT NOT NULL,
    file_size INTEGER,
    file_mtime_ns INTEGER,
    image TEXT,
    width INTEGER,
    height INTEGER,
    model TEXT NOT NULL,
    model_version TEXT NOT NULL,
    score REAL,
    threshold REAL NOT NULL,
    review_threshold REAL,
    verdict TEXT CHECK (verdict IN ('good', 'review', 'defect', 'unfit')),
    defect_area_share REAL,
    boxes TEXT NOT NULL,
    seconds TEXT NOT NULL,
    error TEXT,
    truth TEXT,
    p_value REAL,
    unfit TEXT NOT NULL DEFAULT '[]', image_statistics TEXT NOT NULL DEFAULT '{}',
    CHECK ((verdict IS NULL) = (error IS NOT NULL)),
    CHECK ((coalesce(verdict, '') = 'unfit') = (unfit != '[]')),
    UNIQUE (source, file_size, file_mtime_ns)
);
INSERT INTO "results" VALUES(1,1772438400.25,'in/a.png',7,8,NULL,20,10,'parts','3f9c1a7d52be',12.5,20.4,15.0,'good',0.0,'[[1, 2, 3, 4]]','{"total": 0.02}',NULL,'good',0.25,'[]','{"brightness": 0.5}');
INSERT INTO "results" VALUES(2,1772442000.25,'in/b.png',7,8,NULL,20,10,'parts','3f9c1a7d52be.1a2b',31.7,20.4,15.0,'defect',0.0,'[[1, 2, 3, 4]]','{"total": 0.02}',NULL,'defect',1.2345679012345678327e-02,'[]','{"brightness": 0.5}');
INSERT INTO "results" VALUES(3,1772438400.25,'in/c.png',7,8,NULL,20,10,'parts','3f9c1a7d52be',NULL,20.4,15.0,NULL,0.0,'[]','{"total": 0.02}','in/c.png: truncated',NULL,NULL,'[]','{"brightness": 0.5}');
INSERT INTO "results" VALUES(4,1772438400.25,'in/d.png',7,8,NULL,20,10,'parts','3f9c1a7d52be',12.5,20.4,15.0,'unfit',0.0,'[[1, 2, 3, 4]]','{"total": 0.02}',NULL,NULL,0.25,'["too dark"]','{"brightness": 0.5}');
CREATE TABLE tally (
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    verdict TEXT NOT NULL,
    truth TEXT NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (hour, model, verdict, truth)
) WITHOUT ROWID;
INSERT INTO "tally" VALUES(492344,'other','defect','',0);
INSERT INTO "tally" VALUES(492344,'parts','failed','',1);
INSERT INTO "tally" VALUES(492344,'parts','good','',0);
INSERT INTO "tally" VALUES(492344,'parts','good','good',1);
INSERT INTO "tally" VALUES(492344,'parts','unfit','',1);
INSERT INTO "tally" VALUES(492345,'parts','defect','',0);
INSERT INTO "tally" VALUES(492345,'parts','defect','defect',1);
INSERT INTO "tally" VALUES(492345,'parts','defect','good',0);
CREATE INDEX results_by_time ON results (time);
CREATE INDEX results_by_verdict ON results (verdict, time);
CREATE INDEX results_by_score ON results (score);
CREATE INDEX labels_by_result ON labels (result, id);
CREATE VIEW marks AS SELECT * FROM labels;
CREATE INDEX results_filter ON results (id, time, model, verdict, truth, score, source);
CREATE INDEX results_kept ON results (verdict, time) WHERE image IS NOT NULL;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('results',5);
INSERT INTO "sqlite_sequence" VALUES('labels',4);
INSERT INTO "sqlite_sequence" VALUES('events',1);
COMMIT;
PRAGMA user_version = 6;
