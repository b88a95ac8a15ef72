// Texts from the words of the page: ages, times of a site, gaps filled in.

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

// A moment as the hour of today, or with its day, in the time zone of the site.
export function clock(moment, now, timeZone) {
  const day = (ms) => new Intl.DateTimeFormat("en-CA", { timeZone }).format(ms);
  const then = new Date(moment);
  const days = Math.round((Date.parse(day(now)) - Date.parse(day(then))) / 86_400_000);
  const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone };
  const date = days === 0 ? {} : days > 0 && days < 7 ? { weekday: "short" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat("en-GB", { ...hour, ...date }).format(then).replace(",", "");
}
