package registration

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// What a fact's JSON leaves out is kept beside it: these fields are columns.
var columns = map[string]bool{"ID": true, "Kind": true, "Source": true, "Created": true, "Session": true, "Intent": true, "Charge": true}

func TestAFactSurvivesItsJSON(t *testing.T) {
	t.Parallel()
	var f Fact
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		if columns[v.Type().Field(i).Name] {
			continue
		}
		switch field := v.Field(i); field.Interface().(type) {
		case string:
			field.SetString("é \"<&>\u2028")
		case int64:
			field.SetInt(-1 << 63)
		case bool:
			field.SetBool(true)
		case time.Time:
			field.Set(reflect.ValueOf(noon))
		default:
			t.Fatalf("%s has a type that is new here", v.Type().Field(i).Name)
		}
	}
	for name, fact := range map[string]Fact{"full": f, "empty": {}} {
		text, err := json.Marshal(fact)
		if err != nil {
			t.Fatal(err)
		}
		var got Fact
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if got != fact {
			t.Errorf("%s: got %+v, want %+v", name, got, fact)
		}
	}
	if text, _ := json.Marshal(Fact{ID: "evt_1", Kind: Paid, Source: FromClock, Created: noon, Session: "s", Intent: "i", Charge: "c"}); string(text) != "{}" {
		t.Errorf("an empty fact is %s", text)
	}
}
