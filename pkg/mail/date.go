package mail

import (
	"fmt"
	"strconv"
	"time"
)

// date writes a day in its own location, with the hour unless it is midnight: "samedi 14 mars 2026 à
// 19 h 30", "Saturday 14 March 2026 at 7:30 pm".
func date(t time.Time, l Language) string {
	if t.IsZero() {
		return ""
	}
	if t.Hour() == 0 && t.Minute() == 0 {
		return day(t, l)
	}
	if l == English {
		return day(t, l) + " at" + noBreak + clock(t, l)
	}
	return day(t, l) + " à" + noBreak + clock(t, l)
}

// deadline writes a moment that somebody must not miss: always with hour and time zone.
func deadline(t time.Time, l Language) string {
	if t.IsZero() {
		return ""
	}
	joint := " à" + noBreak
	if l == English {
		joint = " at" + noBreak
	}
	return day(t, l) + joint + clock(t, l) + noBreak + "(" + t.Format("MST") + ")"
}

func day(t time.Time, l Language) string {
	if l == English {
		return t.Format("Monday 2 January 2006")
	}
	days := [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	number := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		number = "1er"
	}
	return days[t.Weekday()] + " " + number + noBreak + months[t.Month()-1] + " " + t.Format("2006")
}

func clock(t time.Time, l Language) string {
	if l == English {
		return t.Format("3:04") + noBreak + t.Format("pm")
	}
	if t.Minute() == 0 {
		return fmt.Sprintf("%d%sh", t.Hour(), noBreak)
	}
	return fmt.Sprintf("%d%sh%s%02d", t.Hour(), noBreak, noBreak, t.Minute())
}
