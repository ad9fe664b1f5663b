//! A star rating with a text alternative.

export function Stars({ stars, count }: { stars: number; count?: number }) {
  const said = `${stars.toFixed(1)} of 5 stars${count === undefined ? "" : `, ${count} ${count === 1 ? "review" : "reviews"}`}`;
  return (
    <span className="stars" role="img" aria-label={said}>
      <span aria-hidden="true" style={{ "--stars": stars } as React.CSSProperties} />
      {count !== undefined && <small aria-hidden="true">{count}</small>}
    </span>
  );
}
