-- A CRM's table: names in snake_case, a field that Marketo's administrator has added
-- (discount_percent), and one that Marketo does not have (owner).
create schema crm;

create table crm.deals (
  external_opportunity_id text primary key,
  name text,
  amount numeric(17, 2),
  margin numeric,
  quantity double precision,
  discount_percent integer,
  legacy_number bigint,
  close_date date,
  external_created_date timestamp,
  last_touched_at timestamptz,
  is_won boolean,
  notes text,
  owner uuid default gen_random_uuid(),
  updated_at timestamptz not null
);

insert into crm.deals
select
  'D-' || n,
  'Zażółć ' || n,
  case when n % 7 > 0 then 1000.25 * n end,
  0.001 * n,
  n + 0.5,
  n % 100,
  9007199254740992 + n,
  date '2026-01-01' + n % 300,
  timestamp '2026-01-01 10:00' + n * interval '1 second',
  timestamptz '2026-01-01 00:00+02' + n * interval '1 hour',
  n % 2 = 0,
  case when n % 3 > 0 then E'line one\nand \\ "' || n || '"' end,
  gen_random_uuid(),
  timestamptz '2026-02-01 00:00+00' + n * interval '1 second'
from generate_series(1, 650) as n;
