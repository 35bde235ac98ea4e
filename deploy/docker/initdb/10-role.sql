-- The role of migrate, web, worker and beat. It owns their tables, and is no superuser.
\getenv password POSTGRES_PASSWORD
CREATE ROLE timepart LOGIN PASSWORD :'password';
GRANT USAGE, CREATE ON SCHEMA public TO timepart;
-- So that it can name who holds a lock, and since when.
GRANT pg_read_all_stats TO timepart;

REVOKE ALL ON DATABASE timepart FROM PUBLIC;
GRANT CONNECT ON DATABASE timepart TO timepart;

-- The superuser connects from within the container alone, where it needs no password.
ALTER ROLE postgres PASSWORD NULL;
