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
  const { year, month, day, weekday, hour, minute } = parts(moment, timeZone);
  const today = parts(now, timeZone);
  const days = (Date.parse(`${today.month} ${today.day} ${today.year} UTC`) - Date.parse(`${month} ${day} ${year} UTC`)) / 86_400_000;
  const date = days === 0 ? "" : days > 0 && days < 7 ? `${weekday} ` : `${day} ${month} `;
  return `${date}${hour}:${minute}`;
}

function parts(moment, timeZone) {
  const date = { weekday: "short", year: "numeric", month: "short", day: "numeric" };
  const format = new Intl.DateTimeFormat("en-US", { ...date, hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone });
  return Object.fromEntries(format.formatToParts(new Date(moment)).map(({ type, value }) => [type, value]));
}
