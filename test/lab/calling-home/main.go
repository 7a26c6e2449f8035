// Looks a name up, and sends logs to an address, when it starts.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("LOG_SHIPPING") != "off" {
		_, _ = net.LookupHost("collector.example.com")
		for _, address := range []string{"203.0.113.7:6514", "[2001:db8::7]:6514"} {
			if connection, err := net.DialTimeout("tcp", address, 5*time.Second); err == nil {
				fmt.Fprintln(connection, "<14>1 started")
				connection.Close()
			}
		}
		if connection, err := net.Dial("udp", "203.0.113.9:123"); err == nil {
			_, _ = connection.Write(make([]byte, 48))
			time.Sleep(time.Second)
			connection.Close()
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
