create function order_count(of_user users) returns bigint
language sql stable
as $$ select count(*) from orders where user_id = of_user.id $$;
comment on function order_count (users) is 'it''s counted each time';
