package doctor

import (
	"context"

	"github.com/educareschool/guichet/pkg/mail"
)

// mails sends none.
func (d *doctor) mails(ctx context.Context) {
	set := d.worker.Mail
	if set.Enabled() {
		if _, err := mail.NewComposer(set); err != nil {
			d.fail("mail templates", "correct the files of MAIL_TEMPLATES", "%v", err)
		}
		if set.Admin == "" {
			d.warn("admin mails", "set ADMIN_EMAIL", "nobody is told of disputes and of what needs a person")
		}
	}
	switch {
	case set.URL != "":
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		server, encrypted, err := set.Greet(ctx)
		switch {
		case err != nil && server == "": // which the settings' finding has told
		case err != nil:
			d.fail("SMTP", "check SMTP_URL: host, port, tls= and the login", "%s: %v", server, err)
		case !encrypted:
			d.ok("SMTP", "%s greets, unencrypted", server)
		default:
			d.ok("SMTP", "%s greets, encrypted", server)
		}
	case set.Mailbox != "":
		d.ok("SMTP", "mails become files, by MAILBOX_DIR")
	default:
		d.warn("SMTP", "set SMTP_URL, MAIL_FROM and ADMIN_EMAIL", "mails stay in the outbox: they have nowhere to go")
	}
}
