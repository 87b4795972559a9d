create table users (
    id text primary key,
    name text,
    -- squawk-ignore prefer-timestamp-tz
    last_seen timestamp default now()
);
