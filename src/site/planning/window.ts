import { type Weekday, type Window, weekdays } from '../../format/site.ts';

const MINUTE = 60_000;
/** Since 1972, offsets have only changed at quarter hours in UTC. */
const QUARTER = 15 * MINUTE;
const DAY_MINUTES = 1440;
const WEEK_QUARTERS = 8 * 96;

/** A local day and time. */
interface LocalTime {
  readonly day: Weekday;
  /** Since midnight. */
  readonly minute: number;
}

/** Whether a window is open. With equal times, it is open for a day; past midnight, its day is that of its beginning. */
export function isOpen(window: Window, at: Date): boolean {
  return covers(window, localTime(at, window.timeZone));
}

/** When the next of these windows opens, within eight days; undefined when none does. */
export function nextOpening(windows: readonly Window[], after: Date): Date | undefined {
  const openings = windows
    .map((each) => openingOf(each, after))
    .filter((each) => each !== undefined);
  return openings.toSorted((a, b) => a.getTime() - b.getTime())[0];
}

/** The local time, such as `Sat 21:59`. */
export function localText(at: Date, timeZone: string): string {
  const { day, minute } = localTime(at, timeZone);
  const two = (value: number): string => String(value).padStart(2, '0');
  const name = day.replace(/^./, (letter) => letter.toUpperCase());
  return `${name} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

function openingOf(window: Window, after: Date): Date | undefined {
  const start = Math.floor(after.getTime() / QUARTER) * QUARTER;
  for (let quarter = 0; quarter < WEEK_QUARTERS; quarter += 1) {
    const began = start + quarter * QUARTER;
    const local = localTime(new Date(began), window.timeZone);
    for (let minute = 0; minute < 15; minute += 1) {
      const at = began + minute * MINUTE;
      if (at > after.getTime() && covers(window, later(local, minute))) return new Date(at);
    }
  }
  return undefined;
}

function covers({ days, from, to }: Window, { day, minute }: LocalTime): boolean {
  const begin = minutesOf(from);
  const end = minutesOf(to);
  if (begin < end) return days.includes(day) && minute >= begin && minute < end;
  return (days.includes(day) && minute >= begin) || (days.includes(dayBefore(day)) && minute < end);
}

/** The local time in a zone of the IANA database, including summer time. */
function localTime(at: Date, timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = weekdays.find((each) => each === parts.get('weekday')?.toLowerCase());
  if (day === undefined) throw new Error('a day without a name');
  return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
}

function later({ day, minute }: LocalTime, minutes: number): LocalTime {
  const sum = minute + minutes;
  return sum < DAY_MINUTES
    ? { day, minute: sum }
    : { day: dayAt(weekdays.indexOf(day) + 1), minute: sum - DAY_MINUTES };
}

function dayBefore(day: Weekday): Weekday {
  return dayAt(weekdays.indexOf(day) + 6);
}

function dayAt(index: number): Weekday {
  return weekdays[index % 7] ?? 'mon';
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}
