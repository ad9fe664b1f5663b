-- What the edge pushes (docs/push.md of edge-vitals). A receipt for each document, so that one that comes
-- again is known; a row for each window, as the highest revision tells it; and each change of a verdict.
create table receipts (
  key text primary key,
  received_at bigint not null
);

create index receipts_by_age on receipts (received_at);

create table windows (
  site text not null,
  span text not null check (span in ('minute', 'hour', 'day')),
  start_at bigint not null,
  revision bigint not null,
  views bigint not null,
  document text not null,
  received_at bigint not null,
  primary key (site, span, start_at)
);

-- What is forgotten, and what came last.
create index windows_by_age on windows (span, start_at);
create index windows_by_arrival on windows (received_at);

create table transitions (
  key text not null,
  number integer not null,
  site text not null,
  told_at bigint not null,
  route text not null,
  device text not null,
  metric text not null,
  verdict_before text,
  verdict_after text not null,
  primary key (key, number)
);

create index transitions_of_a_site on transitions (site, told_at desc);
