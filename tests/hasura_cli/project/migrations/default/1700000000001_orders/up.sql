create table orders (
    id uuid primary key default gen_random_uuid(),
    user_id text not null references users (id),
    total numeric not null check (total >= 0),
    note text
);
create index orders_of_user on orders (user_id);
