//! Number and date formats, independent of the server's locale.

export const euros = (cents: number) => new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" }).format(cents / 100);

export const day = (at: number) => new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" }).format(at);

export const moment = (at: number) => `${new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(at)} UTC`;

/** A metric value: milliseconds, or a layout shift, which has no unit. */
export const measured = (value: number | null, unit: string) => (value === null ? "–" : unit ? `${Math.round(value).toLocaleString("en-GB")} ${unit}` : value.toFixed(3));
