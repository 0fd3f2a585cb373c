package registration

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a fact's detail leaves out is kept beside it: these fields are columns.
var columns = map[string]bool{"ID": true, "Kind": true, "Source": true, "Created": true, "Session": true, "Intent": true, "Charge": true}

// detailed is a fact with all that a detail carries, its texts and its amount drawn.
func detailed(text func() string, amount int64) Fact {
	var f Fact
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		if columns[v.Type().Field(i).Name] {
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

func TestAFactSurvivesItsDetail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := detailed(func() string { return rapid.String().Draw(t, "text") }, rapid.Int64().Draw(t, "amount"))
		var got Fact
		if err := got.ReadDetail(f.Detail()); err != nil || got != f {
			t.Fatalf("%s reads as %+v, %v, want %+v", f.Detail(), got, err, f)
		}
		if !json.Valid([]byte(f.Detail())) {
			t.Fatalf("%s is no JSON", f.Detail())
		}
	})
	plain := Fact{ID: "evt_1", Kind: Paid, Source: FromClock, Created: noon, Session: "s", Intent: "i", Charge: "c"}
	if got := plain.Detail(); got != "{}" {
		t.Errorf("the detail of a fact that has none is %s", got)
	}
}

func TestADetailWithOtherTypesIsRefusedWithoutItsValues(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string]string{
		`{"amount": "much"}`: "amount", `{"amount": 1.5}`: "amount", `{"amount": 9223372036854775808}`: "amount", `{"amount": []}`: "amount",
		`{"code": 777}`: "code", `{"due_by": "much"}`: "due_by", `{"due_by": 777}`: "due_by", `{"session_async": "much"}`: "session_async",
		`[]`: "object", `"much"`: "object", `null`: "object",
	} {
		var f Fact
		err := f.ReadDetail(detail)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "777") || strings.Contains(err.Error(), "much") {
			t.Errorf("%s: %v", detail, err)
		}
	}
	var f Fact
	if err := f.ReadDetail(`{"new": {"amount": 1}, "code": null, "amount": 3}`); err != nil || f != (Fact{Amount: 3}) {
		t.Errorf("%+v, %v", f, err)
	}
}
