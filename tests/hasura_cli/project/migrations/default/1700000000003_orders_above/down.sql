drop function orders_above(numeric);
