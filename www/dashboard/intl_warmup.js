// Warms up `Intl` in a worker. The first formatter makes the browser load its locale data, which takes a phone
// longer than the rest of the page; threads share the loaded data.
const { languages } = navigator;
new Intl.NumberFormat(languages);
new Intl.DateTimeFormat(languages, { dateStyle: "medium", timeStyle: "short" });
new Intl.RelativeTimeFormat(languages);
close();
