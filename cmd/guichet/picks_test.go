package main

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/archive"
)

func TestTheFlagsPickWhatTheySay(t *testing.T) {
	t.Parallel()
	since, until := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	got, err := picks{
		Since: moment{since}, Until: moment{until}, Type: []string{"charge.*"}, Registration: "reg-1", Session: "cs_1", Intent: "pi_1",
		Account: "acct_1", From: 3, To: 9,
	}.filter()
	want := archive.Filter{
		Since: since, Until: until, Types: []string{"charge.*"}, Mentions: []string{"reg-1", "cs_1", "pi_1"}, Account: "acct_1", From: 3, To: 9,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v)", got, err)
	}
	if got, err := (picks{}).filter(); err != nil || !reflect.DeepEqual(got, archive.Filter{}) {
		t.Errorf("no flags pick %+v (%v)", got, err)
	}
}

func TestFlagsThatNothingCanMeetAreAMistake(t *testing.T) {
	t.Parallel()
	_, err := picks{From: 9, To: 3}.filter()
	var usage usageError
	if !errors.As(err, &usage) {
		t.Errorf("got %v", err)
	}
}
