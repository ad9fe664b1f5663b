// Beside the page, on a thread of its own: to say the first number, date or span of time in anybody's language,
// a browser looks through all the languages that it knows, and a phone takes longer for that than for the
// whole page. What one thread has looked through, all of them know.
const { languages } = navigator;
new Intl.NumberFormat(languages);
new Intl.DateTimeFormat(languages, { dateStyle: "medium", timeStyle: "short" });
new Intl.RelativeTimeFormat(languages);
close();
