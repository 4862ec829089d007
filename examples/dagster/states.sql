-- Once, before the first run. Workers need select, insert and update on it, and nothing else.
create table if not exists marketo_states (
  instance text primary key,
  state json not null,  -- as the target printed it: json keeps every digit and the order of keys
  saved_at timestamptz not null default now()
);
