-- Where retired partitions may move: name it in a config as its tablespace once detached.
CREATE TABLESPACE archive LOCATION '/tablespaces/archive';
GRANT CREATE ON TABLESPACE archive TO timepart;
