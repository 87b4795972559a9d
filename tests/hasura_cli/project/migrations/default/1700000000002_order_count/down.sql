drop function order_count;
