create table users (
    id text primary key,
    name text,
    last_seen timestamp default now()
);
