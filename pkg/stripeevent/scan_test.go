package stripeevent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// checkScan holds a scan to what encoding/json takes for JSON, counts for levels, and to what gjson reads.
func checkScan(t *testing.T, body []byte) {
	t.Helper()
	s, valid := readBody(body)
	defer s.release()
	tooDeep := levels(body) > MaxDepth
	if json.Valid(body) && (s.tooDeep > 0) != tooDeep {
		t.Errorf("%q: too deep: %d, want %t", body, s.tooDeep, tooDeep)
	}
	if s.tooMany && bytes.Count(body, []byte(":")) <= maxMembers {
		t.Errorf("%.200q: too many members", body)
	}
	if want := json.Valid(body) && !tooDeep && !s.tooMany; valid != want {
		t.Errorf("%q: valid: %t, want %t", body, valid, want)
	}
	if !valid {
		return
	}
	whole := gjson.ParseBytes(body)
	for p, of := range map[part]gjson.Result{
		theEvent: whole, theData: first(whole, "data"), theObject: first(first(whole, "data"), "object"),
	} {
		for _, path := range [][]string{{"id"}, {"data"}, {"object"}, {"a"}, {""}, {"k300"}, {"a", "id"}, {"a", "0", "id"}, {"metadata", "registrationId"}} {
			want, got := of, s.parts[p].Get(strings.Join(path, "."))
			if len(path) == 1 || path[1] != "0" {
				for _, key := range path {
					want = first(want, key)
				}
			} else {
				want = first(of, path[0]).Get("0.id")
			}
			if got.Type != want.Type || got.Raw != want.Raw || got.Str != want.Str {
				t.Errorf("%.200q: part %d has %q at %q, want %q", body, p, got.Raw, path, want.Raw)
			}
		}
	}
}

// first is an object's first member of a key.
func first(of gjson.Result, key string) (found gjson.Result) {
	if of.IsObject() {
		of.ForEach(func(k, v gjson.Result) bool {
			if k.Str == key {
				found = v
			}
			return k.Str != key
		})
	}
	return found
}

func levels(body []byte) (deepest int) {
	decoder, depth := json.NewDecoder(bytes.NewReader(body)), 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// scanned are bodies of all shapes, JSON and not.
func scanned() []string {
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	var many strings.Builder
	for i := range 2 * usualMembers {
		fmt.Fprintf(&many, `"k%d": %d, `, i, i)
	}
	bodies := []string{
		event("ping", paidSession),
		`{"a": "1", "a": "2", "data": {"a": {"id": 7}, "object": {"a": 3}, "object": {"a": 4}}, "\u0061": 5, "data": {"object": {"id": 6}}}`,
		`{"data": 1, "data": {"object": {"id": 1}}}`, `{"data": [{"object": 1}], "": 5, "\u0069d": "\ud83d\ude00", "id": "x"}`,
		`{"data": {"object": "{}", "object": {"id": 1}}}`, `{"object": {"id": 1}, "data": {"\u006fbject": {"data": {"object": {"id": 2}}}}}`,
		`{"data": {"object": {` + many.String() + `"a": [{"id": 1}], "metadata": {"registrationId": "r", "registrationId": "s"}}}}`,
		nest(MaxDepth), nest(MaxDepth + 1), "[" + strings.Repeat("[],", 10*MaxDepth) + "[]]",
		strings.Repeat(`{"a":[`, MaxDepth/2) + strings.Repeat("]}", MaxDepth/2),
		strings.Repeat(`{"a":[`, MaxDepth/2) + "{}" + strings.Repeat("]}", MaxDepth/2),
		`["` + strings.Repeat("[", 10*MaxDepth) + `"]`, `["\"` + strings.Repeat("[", 10*MaxDepth) + `"]`, `["\\",` + nest(MaxDepth) + `]`,
		"\t\r\n {} \t\r\n", `{} {}`, `{}x`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" : 1 , "b":2}`, `{a:1}`, `{"a":1`, `{"a"`, `{"`, `{`, `}`,
		`[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `[1`, `[ ]`, `{ }`, ``, ` `, "\x00", "\ufeff{}",
	}
	for _, value := range []string{
		`0`, `-0`, `10`, `01`, `-`, `+1`, `.5`, `1.`, `1.5`, `1e5`, `1E+5`, `1e-05`, `1e`, `1e+`, `1.e5`, `0x1`, `1_0`, `NaN`, `Infinity`,
		`true`, `tru`, `trueish`, `false`, `null`, `nul`, `"`, `""`, `"\`, `"\"`, `"\n\t\r\b\f\/\\\""`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u12"34"`,
		`"\uABcd"`, "\"\n\"", "\"\x7f\"", "\"\xff\"", `'a'`,
	} {
		bodies = append(bodies, value, `{"a":`+value+`}`, `[`+value+`,1]`)
	}
	return bodies
}

func TestScan(t *testing.T) {
	t.Parallel()
	for range 2 { // the second time with what the first gave back
		for _, body := range scanned() {
			checkScan(t, []byte(body))
		}
	}
}

// The least of members take six times as much memory as they take of the body, and nobody counts that.
func TestScan_EndsWhereThereAreTooManyMembers(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return `{` + strings.Repeat(`"":0,`, n-1) + `"id":"evt_1"}` }
	for shape, tooMany := range map[string]bool{`%s`: true, `{"data":%s}`: true, `{"data":{"object":%s}}`: true, `{"data":{"object":{"metadata":%s}}}`: false, `{"other":%s}`: false} {
		for n, want := range map[int]bool{maxMembers: false, maxMembers + 1: tooMany, 1 << 17: tooMany} {
			body := []byte(fmt.Sprintf(shape, of(n)))
			s, valid := readBody(body)
			if s.tooMany != want || valid == want {
				t.Errorf("%d members in %s: too many %t, valid %t", n, shape, s.tooMany, valid)
			}
			s.release()
			if _, err := ReadEnvelope(body); want != (err != nil && strings.Contains(err.Error(), "more than 4096 members")) {
				t.Errorf("%d members in %s: %v", n, shape, err)
			}
		}
	}
}

// What nests too deep is not read on: however much more there is takes no stack.
func TestScan_EndsWhereItIsTooDeep(t *testing.T) {
	t.Parallel()
	for _, open := range []string{`[`, `{"a":`, `{"data":{"object":[`} {
		s, valid := readBody([]byte(strings.Repeat(open, 1_000_000)))
		if valid || s.tooDeep == 0 || s.tooDeep > MaxDepth*len(open) {
			t.Errorf("%s: valid %t, too deep at %d", open, valid, s.tooDeep)
		}
		s.release()
	}
}
