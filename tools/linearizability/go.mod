// Judges histories by linearizability. It builds with Debian 12's Go 1.19.
module latchkey/linearizability

go 1.19

require github.com/anishathalye/porcupine v1.3.1
