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

// list answers newest first, in pages that starting_after turns.
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
	page, more, p := turned(s.newestFirst(account, kind, keep), kind, query.Get("starting_after"), limit)
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
		case name == "limit" || name == "starting_after" || isExpand(name):
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

func (s *Server) newestFirst(account, kind string, keep func(stored) bool) []Object {
	var out []Object
	for _, o := range slices.Backward(s.accounts[account]) {
		if o.Object["object"] == kind && keep(o) {
			out = append(out, o.Object)
		}
	}
	slices.SortStableFunc(out, func(a, b Object) int { return cmp.Compare(created(b), created(a)) })
	return out
}

// turned is the page that begins after an object, and whether there is more.
func turned(all []Object, kind, after string, limit int) ([]Object, bool, *problem) {
	if after != "" {
		at := slices.IndexFunc(all, func(o Object) bool { return o["id"] == after })
		if at < 0 {
			return nil, false, missing(http.StatusBadRequest, kind, after, "starting_after")
		}
		all = all[at+1:]
	}
	if len(all) <= limit {
		return all, false, nil
	}
	return all[:limit], true, nil
}
