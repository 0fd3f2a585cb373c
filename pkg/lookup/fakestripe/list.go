package fakestripe

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultLimit = 10
	mostListed   = 100
	mostTypes    = 20                  // of one question for events
	eventsLast   = 30 * 24 * time.Hour // that long they are listed
)

// list answers newest first, in pages that starting_after turns towards the older ones, ending_before towards
// the newer ones. https://docs.stripe.com/api/pagination
func (s *Server) list(account, kind, path string, query url.Values) (Object, *problem) {
	limit, p := limitOf(query)
	if p != nil {
		return nil, p
	}
	fields, p := expansions(query)
	if p != nil {
		return nil, p
	}
	for i, f := range fields {
		inner, ok := strings.CutPrefix(f, "data.")
		if !ok {
			return nil, invalid("expand", "This property cannot be expanded ("+f+"). You may want to try expanding 'data."+f+"' instead.")
		}
		fields[i] = inner
	}
	keep, p := s.filter(account, kind, query)
	if p != nil {
		return nil, p
	}
	page, more, p := s.page(account, kind, keep, query, limit)
	if p != nil {
		return nil, p
	}
	data := make([]Object, 0, len(page))
	for _, o := range page {
		shown, p := s.expanded(account, o, fields)
		if p != nil {
			return nil, p
		}
		data = append(data, shown)
	}
	return Object{"object": "list", "data": data, "has_more": more, "url": path}, nil
}

func limitOf(query url.Values) (int, *problem) {
	if !query.Has("limit") {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > mostListed {
		return 0, invalid("limit", "This value must be between 1 and "+strconv.Itoa(mostListed)+".")
	}
	return limit, nil
}

// filter reads the parameters that choose; those that Stripe does not know of this list are refused.
func (s *Server) filter(account, kind string, query url.Values) (func(stored) bool, *problem) {
	var tests []func(stored) bool
	for name := range query {
		value := query.Get(name)
		switch {
		case name == "limit" || name == "starting_after" || name == "ending_before" || isExpand(name):
		case isOf(name, "created"):
			test, p := createdTest(name, value)
			if p != nil {
				return nil, p
			}
			tests = append(tests, test)
		case kind == "event" && isOf(name, "types"):
		case kind == "event" && name == "type":
			tests = append(tests, func(o stored) bool { return o.Object["type"] == value })
		case kind == "event" && name == "delivery_success":
			tests = append(tests, func(o stored) bool { return o.delivered == (value == "true") })
		case (kind == "checkout.session" || kind == "charge") && name == "payment_intent":
			if s.find(account, "payment_intent", value) == nil {
				return nil, missing(http.StatusBadRequest, "payment_intent", value, name)
			}
			tests = append(tests, func(o stored) bool { return refers(o.Object["payment_intent"], value) })
		default:
			return nil, unknownParameter(name)
		}
	}
	if kind == "event" {
		types := many(query, "types")
		if len(types) > mostTypes {
			return nil, invalid("types", "You may not pass more than "+strconv.Itoa(mostTypes)+" types.")
		}
		since := s.Now().Add(-eventsLast).Unix()
		tests = append(tests, func(o stored) bool {
			eventType, _ := o.Object["type"].(string)
			return created(o.Object) >= since && (len(types) == 0 || slices.Contains(types, eventType))
		})
	}
	return func(o stored) bool {
		return !slices.ContainsFunc(tests, func(test func(stored) bool) bool { return !test(o) })
	}, nil
}

// refers says whether a field that is an id, an object or null names the id.
func refers(field any, id string) bool {
	if o, expanded := field.(Object); expanded {
		field = o["id"]
	}
	return field == id
}

func createdTest(name, value string) (func(stored) bool, *problem) {
	at, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, invalid("created", "Invalid integer: "+value)
	}
	compare, known := map[string]func(int64) bool{
		"created[gte]": func(t int64) bool { return t >= at },
		"created[gt]":  func(t int64) bool { return t > at },
		"created[lte]": func(t int64) bool { return t <= at },
		"created[lt]":  func(t int64) bool { return t < at },
	}[name]
	if !known {
		return nil, unknownParameter(name)
	}
	return func(o stored) bool { return compare(created(o.Object)) }, nil
}

func created(o Object) int64 {
	n, _ := o["created"].(json.Number)
	at, _ := n.Int64() // 0 where it is none
	return at
}

func (s *Server) newestFirst(account, kind string) []stored {
	var out []stored
	for _, o := range slices.Backward(s.accounts[account]) {
		if o.Object["object"] == kind {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b stored) int { return cmp.Compare(created(b.Object), created(a.Object)) })
	return out
}

// page is the one that begins after an object, or ends before one, and whether there is more beyond it. The
// object only marks a place: it need not be of those that are listed.
func (s *Server) page(account, kind string, keep func(stored) bool, query url.Values, limit int) ([]Object, bool, *problem) {
	all := s.newestFirst(account, kind)
	after, before := query.Get("starting_after"), query.Get("ending_before")
	switch {
	case after != "" && before != "":
		return nil, false, invalid("starting_after", "You cannot parameterize both starting_after and ending_before.")
	case after != "":
		at := slices.IndexFunc(all, func(o stored) bool { return o.Object["id"] == after })
		if at < 0 {
			return nil, false, missing(http.StatusBadRequest, kind, after, "starting_after")
		}
		all = all[at+1:]
	case before != "":
		at := slices.IndexFunc(all, func(o stored) bool { return o.Object["id"] == before })
		if at < 0 {
			return nil, false, missing(http.StatusBadRequest, kind, before, "ending_before")
		}
		all = all[:at]
	}
	var listed []Object
	for _, o := range all {
		if keep(o) {
			listed = append(listed, o.Object)
		}
	}
	if len(listed) <= limit {
		return listed, false, nil
	}
	if before != "" {
		return listed[len(listed)-limit:], true, nil
	}
	return listed[:limit], true, nil
}
