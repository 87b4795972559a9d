create table notes (
    id bigint generated always as identity primary key,
    author text not null references users (id),
    body text not null
);
alter table users drop column last_seen;
