package simulate

// ThinType is the type of the event that Thin makes.
const ThinType = "v1.billing.meter.error_report_triggered"

// Thin is a v2 event: it carries no object, only a reference, and its created is a text.
func (s *Stripe) Thin(options ...Option) Event {
	c := s.choose(options)
	meter := s.id("mtr_test_6", c.created)
	return c.encode(ThinType, struct {
		ID            string  `json:"id"`
		Object        string  `json:"object"`
		Type          string  `json:"type"`
		Livemode      bool    `json:"livemode"`
		Created       string  `json:"created"`
		Context       *string `json:"context"`
		RelatedObject object  `json:"related_object"`
		Reason        object  `json:"reason"`
	}{
		ID: c.id, Object: "v2.core.event", Type: ThinType, Livemode: c.live,
		Created:       c.created.Format("2006-01-02T15:04:05.000Z"),
		RelatedObject: object{"id": meter, "type": "billing.meter", "url": "/v1/billing/meters/" + meter},
	})
}

// Unrelated is an event of a type that concerns no payment, customer.created by default.
func (s *Stripe) Unrelated(eventType string, options ...Option) Event {
	c := s.choose(options)
	if eventType == "" {
		eventType = "customer.created"
	}
	return c.event(eventType, object{
		"id": "cus_" + base62(s.random, 14), "object": "customer", "created": c.created.Unix(),
		"email": BuyerEmail, "metadata": object{}, "name": BuyerName, "phone": BuyerPhone,
	}, nil)
}
