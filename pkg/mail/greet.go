package mail

import "context"

// Greet has a conversation with the SMTP server of the settings up to where the first mail would come: it connects,
// says hello, encrypts as SMTP_URL demands and logs in, and then says goodbye. It returns a name of the server that
// holds no secret, and whether the connection was encrypted.
func (s Settings) Greet(ctx context.Context) (server string, encrypted bool, err error) {
	at, err := ParseURL(s.URL)
	if err != nil {
		return "", false, err
	}
	c, failure := dial(ctx, at, SMTPOptions{Timeout: s.Timeout})
	if failure != nil {
		return at.String(), false, failure
	}
	c.quit()
	return at.String(), c.private, nil
}
