package store_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// What a fact's detail leaves out is kept beside it: these fields are columns.
var besideDetail = map[string]bool{"ID": true, "Kind": true, "Source": true, "Created": true, "Session": true, "Intent": true, "Charge": true}

// detailed is a fact that sets all that a detail carries, and nothing else.
func detailed(text func() string, amount int64) registration.Fact {
	var f registration.Fact
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		if besideDetail[v.Type().Field(i).Name] {
			continue
		}
		switch field := v.Field(i); field.Interface().(type) {
		case string:
			field.SetString(text())
		case int64:
			field.SetInt(amount)
		case bool:
			field.SetBool(true)
		case time.Time:
			field.Set(reflect.ValueOf(noon))
		default:
			panic(v.Type().Field(i).Name + " has a type that is new here")
		}
	}
	return f
}

func readDetail(detail string) (registration.Fact, error) {
	return store.Entry{Detail: json.RawMessage(detail)}.Fact()
}

func TestAFactSurvivesItsDetail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := detailed(func() string { return rapid.String().Draw(t, "text") }, rapid.Int64().Draw(t, "amount"))
		detail := store.Detail(&f)
		if got, err := readDetail(detail); err != nil || got != f {
			t.Fatalf("%s reads as %+v, %v, want %+v", detail, got, err, f)
		}
		if !json.Valid([]byte(detail)) {
			t.Fatalf("%s is no JSON", detail)
		}
	})
	plain := registration.Fact{ID: "evt_1", Kind: registration.Paid, Source: registration.FromClock, Created: noon, Session: "s", Intent: "i", Charge: "c"}
	if got := store.Detail(&plain); got != "{}" {
		t.Errorf("the detail of a fact that has none is %s", got)
	}
}

func TestADetailWithOtherTypesIsRefusedWithoutItsValues(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string]string{
		`{"amount": "much"}`: "amount", `{"amount": 1.5}`: "amount", `{"amount": 9223372036854775808}`: "amount", `{"amount": []}`: "amount",
		`{"code": 777}`: "code", `{"due_by": "much"}`: "due_by", `{"due_by": 777}`: "due_by", `{"session_async": "much"}`: "session_async",
		`[]`: "object", `"much"`: "object",
	} {
		_, err := readDetail(detail)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "777") || strings.Contains(err.Error(), "much") {
			t.Errorf("%s: %v", detail, err)
		}
	}
	for detail, want := range map[string]registration.Fact{
		"": {}, "null": {}, "{}": {}, `{"new": {"amount": 1}, "code": null, "amount": 3}`: {Amount: 3},
	} {
		if got, err := readDetail(detail); err != nil || got != want {
			t.Errorf("%q: %+v, %v", detail, got, err)
		}
	}
}
