package mail

// What tests look into.
type View = view

var (
	Mask      = mask
	Line      = line
	Link      = link
	Dashboard = dashboard
	Typeset   = typography
	Date      = date
	Deadline  = deadline
)

// Mechanism names how a server would be logged in to.
func Mechanism(s Server, offer string, private bool) string {
	name, _ := s.mechanism(offer, private)
	return name
}
