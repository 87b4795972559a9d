alter table users add column last_seen timestamp default now();
drop table notes;
