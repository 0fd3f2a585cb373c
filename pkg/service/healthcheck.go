package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/settings"
)

// healthTimeout is longer than the admin port takes for its checks, and shorter than what container engines grant.
const healthTimeout = 4 * time.Second

// maxHealthAnswer is more than an admin port's words, and less than what Docker keeps of a health check's output.
const maxHealthAnswer = 4 << 10

// healthcheck asks the service that runs beside it, by its own admin port, whether it is ready: for the health check
// of a container that has neither a shell nor curl. It prints the answer. Whatever is not ready exits with 1, wrong
// settings too: Docker keeps 2 for itself.
func (p Program) healthcheck(stdout, stderr io.Writer) int {
	text, err := p.askReady()
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s is not ready: %v\n", p.Name, err)
		return ExitFailed
	}
	_, _ = fmt.Fprintln(stdout, text)
	return ExitOK
}

func (p Program) askReady() (string, error) {
	if err := settings.Load(p.Settings, settings.Process()); err != nil {
		return "", err
	}
	url, err := readyURL(p.Admin())
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy, whatever the environment says
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxHealthAnswer))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s\n%s", answer.Status, text)
	}
	return text, nil
}

// readyURL is where a service that listens on an admin address is asked from the same machine.
func readyURL(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	if port == "0" || port == "" {
		return "", errors.New("ADMIN_ADDR leaves the port to the system, so it is not known here: name one")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}
