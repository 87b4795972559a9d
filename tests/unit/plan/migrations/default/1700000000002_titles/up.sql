alter table notes add column title text not null default '';
