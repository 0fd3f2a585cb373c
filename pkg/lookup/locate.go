package lookup

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

const (
	// placesKept bounds the cache.
	placesKept = 4096
	// placeLife is how long a place is remembered: a dispute's events come in a burst and all ask the same.
	// One that was not found is forgotten as soon, for it may be made yet.
	placeLife = time.Minute
	// sessionsOfIntent is how many are read; an intent of Checkout's has one.
	sessionsOfIntent = 10
)

// Place is where a payment belongs, as far as Stripe can tell: what is not known is empty, all of it where
// Stripe knows neither the charge nor the intent.
type Place struct {
	Registration string // metadata.registrationId of the intent, the charge or the session
	Session      string // known only where it had to be asked for
	Intent       string
	Charge       string
}

// placeQuestion and placeAnswer are what the cache holds.
type placeQuestion struct{ account, charge, intent string }

type placeAnswer struct {
	place Place
	until time.Time
}

// Locate asks whose payment a charge or an intent is; either may be empty. It asks for the intent, then the
// charge, then the sessions of the intent, and stops where one names a registration. Without a registration,
// the ids that it returns may be ones that other facts tie to one. An object that Stripe does not know is no
// error; with an error, no place is returned. Answers are remembered for a minute, errors are not.
func (c *Client) Locate(ctx context.Context, account, charge, intent string) (Place, error) {
	question := placeQuestion{account, charge, intent}
	if known, ok := c.places.Get(question); ok && c.now().Before(known.until) {
		return known.place, nil
	}
	s := search{c: c, account: account}
	if err := s.run(ctx, charge, intent); err != nil {
		return Place{}, err
	}
	c.places.Add(question, placeAnswer{s.place, c.now().Add(placeLife)})
	return s.place, nil
}

// search is one question for a place.
type search struct {
	c       *Client
	account string
	place   Place
}

func (s *search) run(ctx context.Context, charge, intent string) error {
	if err := s.intent(ctx, intent); err != nil {
		return err
	}
	if err := s.charge(ctx, charge); err != nil {
		return err
	}
	return s.sessions(ctx)
}

func (s *search) intent(ctx context.Context, id string) error {
	if !askable(id) {
		return nil
	}
	object, found, err := s.c.one(ctx, askIntent, s.account, id, "latest_charge")
	if err != nil || !found {
		return err
	}
	s.place.Intent = id
	charge := object.Get("latest_charge")
	s.place.Charge = idOf(charge)
	s.registration(object, charge)
	return nil
}

func (s *search) charge(ctx context.Context, id string) error {
	if s.place.Registration != "" || s.place.Charge == id || !askable(id) {
		return nil
	}
	object, found, err := s.c.one(ctx, askCharge, s.account, id, "payment_intent")
	if err != nil || !found {
		return err
	}
	s.place.Charge = id
	intent := object.Get("payment_intent")
	s.place.Intent = cmp.Or(s.place.Intent, idOf(intent))
	s.registration(object, intent)
	return nil
}

func (s *search) sessions(ctx context.Context) error {
	if s.place.Registration != "" || s.place.Intent == "" {
		return nil
	}
	list, found, err := s.c.ask(ctx, askSessions, s.account, "/v1/checkout/sessions", url.Values{
		"payment_intent": {s.place.Intent}, "limit": {strconv.Itoa(sessionsOfIntent)},
	})
	if err != nil || !found {
		return err
	}
	for _, session := range list.Get("data").Array() {
		if id := idOf(session); id != "" && (s.place.Session == "" || registrationOf(session) != "") {
			s.place.Session = id
			s.registration(session)
		}
		if s.place.Registration != "" {
			break
		}
	}
	return nil
}

// registration takes the first that an object's metadata name.
func (s *search) registration(objects ...gjson.Result) {
	for _, o := range objects {
		s.place.Registration = cmp.Or(s.place.Registration, registrationOf(o))
	}
}
