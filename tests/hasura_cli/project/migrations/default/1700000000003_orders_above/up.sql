create function orders_above(worth numeric) returns setof orders
language sql stable
as $$ select * from orders where total > worth $$;
