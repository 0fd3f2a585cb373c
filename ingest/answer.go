package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// outcome is how a request ended: the code in its answer, the reason in the log, the label of its metric.
type outcome string

const (
	stored    outcome = "stored"
	duplicate outcome = "duplicate"

	signatureMissing   outcome = "signature_missing"
	signatureMalformed outcome = "signature_malformed"
	signatureOld       outcome = "signature_old"
	signatureFuture    outcome = "signature_future"
	signatureWrong     outcome = "signature_wrong"

	invalidEvent outcome = "invalid_event"
	liveRefused  outcome = "live_event_in_development"
	notFound     outcome = "not_found"
	wrongMethod  outcome = "method_not_allowed"
	bodyTooLarge outcome = "body_too_large"
	bodyCutShort outcome = "body_unreadable"
	clientGone   outcome = "client_gone"

	busy          outcome = "busy"
	disconnected  outcome = "store_disconnected"
	storeMissing  outcome = "store_missing"
	storeFull     outcome = "store_full"
	storeTimeout  outcome = "store_timeout"
	storeTooSmall outcome = "event_too_large_for_store"
	storeRefused  outcome = "store_refused"
)

// terms is what an outcome is answered with.
type terms struct {
	status  int
	retry   int // seconds of Retry-After; 0 sends none
	message string
}

// answerTerms is the table of answers, one row an outcome. Stripe retries after anything but a 2xx, for up to
// three days; its dashboard shows these messages.
func answerTerms() map[outcome]terms {
	const again = " Nothing was lost: send it again."
	return map[outcome]terms{
		stored:    {status: http.StatusOK},
		duplicate: {status: http.StatusOK},

		signatureMissing:   {http.StatusBadRequest, 0, "The request has no Stripe-Signature header: only Stripe's own webhooks are accepted."},
		signatureMalformed: {http.StatusBadRequest, 0, "The Stripe-Signature header is malformed."},
		signatureOld:       {http.StatusBadRequest, 0, "The signature is too old."},
		signatureFuture:    {http.StatusBadRequest, 0, "The signature's time lies in the future."},
		signatureWrong:     {http.StatusBadRequest, 0, "The signature does not match the body under any known signing secret."},

		invalidEvent: {http.StatusBadRequest, 0, "This is not a Stripe event."},
		liveRefused:  {http.StatusForbidden, 0, "Live-mode events are refused while no signing secret is configured: set STRIPE_WEBHOOK_SECRET."},
		notFound:     {http.StatusNotFound, 0, "Nothing is here: Stripe's webhooks are received by POST " + Path + "."},
		wrongMethod:  {http.StatusMethodNotAllowed, 0, "Only POST is allowed here."},
		bodyTooLarge: {http.StatusRequestEntityTooLarge, 0, "The body is larger than MAX_BODY_BYTES allows."},
		bodyCutShort: {http.StatusBadRequest, 0, "The body did not arrive whole and in time."},
		clientGone:   {http.StatusServiceUnavailable, 1, "The request was given up before its event was stored."},

		busy:          {http.StatusServiceUnavailable, 1, "Too many events are waiting to be stored." + again},
		disconnected:  {http.StatusServiceUnavailable, 2, "The event store is out of reach." + again},
		storeMissing:  {http.StatusServiceUnavailable, 10, "The event store has no stream for this event, or it has no leader." + again},
		storeFull:     {http.StatusServiceUnavailable, 60, "The event store is full." + again},
		storeTimeout:  {http.StatusServiceUnavailable, 2, "The event was not confirmed to be on disk in time." + again},
		storeTooSmall: {http.StatusServiceUnavailable, 60, "The event is larger than the event store takes: raise max_payload of the NATS server." + again},
		storeRefused:  {http.StatusServiceUnavailable, 10, "The event store refused the event." + again},
	}
}

// refusal is an answer other than 200.
type refusal struct {
	outcome outcome
	detail  string // a sentence that completes the outcome's message; repeats nothing of the request
}

func refuse(o outcome, detail string) *refusal { return &refusal{outcome: o, detail: detail} }

type receipt struct {
	Received  bool   `json:"received"`
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate"`
}

type problem struct {
	Error struct {
		Code    outcome `json:"code"`
		Message string  `json:"message"`
	} `json:"error"`
}

func accept(w http.ResponseWriter, id string, o outcome) {
	writeJSON(w, http.StatusOK, receipt{Received: true, ID: id, Duplicate: o == duplicate})
}

func (r *refusal) write(w http.ResponseWriter, t terms) {
	if t.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(t.retry))
	}
	var p problem
	p.Error.Code, p.Error.Message = r.outcome, t.message
	if r.detail != "" {
		p.Error.Message += " " + r.detail
	}
	writeJSON(w, t.status, p)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody is left to tell
}
