-- The portal itself: what it offers, who its members are, what they say and keep. One text for SQLite and
-- for PostgreSQL: times are milliseconds since the Unix epoch, prices are cents.
create table products (
  id text primary key,
  name text not null,
  latin text not null,
  story text not null,
  light text not null,
  price bigint not null check (price >= 0),
  image text not null,
  changed_at bigint not null
);

create table members (
  id text primary key,
  email text not null unique,
  name text not null,
  role text not null check (role in ('member', 'editor')),
  password text not null
);

create table reviews (
  id text primary key,
  product_id text not null references products (id) on delete cascade,
  member_id text not null references members (id) on delete cascade,
  stars integer not null check (stars between 1 and 5),
  words text not null,
  written_at bigint not null
);

-- The newest reviews of a product; and the stars of many products, read from the index alone.
create index reviews_of_a_product on reviews (product_id, written_at desc);
create index stars_of_products on reviews (product_id, stars);

create table shelves (
  member_id text not null references members (id) on delete cascade,
  product_id text not null references products (id) on delete cascade,
  put_at bigint not null,
  primary key (member_id, product_id)
);

create index shelves_newest_first on shelves (member_id, put_at desc);
