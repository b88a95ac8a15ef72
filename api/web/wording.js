// Texts from the words of the page: ages, times of a site, shares, gaps filled in. Numbers and names of days are Intl's.

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (gap, name) => values[name] ?? gap);
}

export function ago(words, ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const steps = [
    [5, "ago_now", 1],
    [60, "ago_seconds", 1],
    [3600, "ago_minutes", 60],
    [86400, "ago_hours", 3600],
    [Infinity, "ago_days", 86400],
  ];
  const [, name, unit] = steps.find(([below]) => seconds < below);
  return fill(words[name], { n: Math.floor(seconds / unit) });
}

// A share of three decimals; halves are rounded up.
export function percent(language, share) {
  const format = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  return format.format(Math.floor((Math.round(share * 1000) + 5) / 10) / 100);
}

// A moment as the hour of today, or with its day, in the time zone of the site.
export function clock({ words, language, zone }, moment, now) {
  const date = new Date(moment);
  const days = Math.round((day(now, zone) - day(moment, zone)) / 86_400_000);
  const write = (options, tag = language) => new Intl.DateTimeFormat(tag, { ...options, timeZone: zone }).format(date);
  const time = write({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, "en-GB");
  if (days === 0) return time;
  if (days > 0 && days < 7) return fill(words.on_weekday, { weekday: write({ weekday: "short" }), time });
  return fill(words.on_date, { day: write({ day: "numeric" }, "en-GB"), month: write({ month: "short" }), time });
}

function day(moment, timeZone) {
  return Date.parse(new Intl.DateTimeFormat("sv-SE", { timeZone }).format(new Date(moment)));
}
