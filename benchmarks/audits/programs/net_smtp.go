// Send a message by Go's net/smtp, as its documentation has it.
//
// arguments: program mode host port name sender recipient message patience [user password]
// program: sendmail (smtp.SendMail, which takes TLS where it is offered) or client (smtp.Client, told what mode says)
package main

import (
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/smtp"
	"os"
	"runtime"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		os.Stdout.WriteString(runtime.Version())
		return
	}
	how, mode, host, port, name := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	sender, recipient, file := os.Args[6], os.Args[7], os.Args[8]
	message, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	var auth smtp.Auth
	if len(os.Args) == 12 {
		auth = smtp.PlainAuth("", os.Args[10], os.Args[11], host)
	}
	if how == "sendmail" {
		err = smtp.SendMail(net.JoinHostPort(host, port), auth, sender, []string{recipient}, message)
	} else {
		var patience time.Duration
		if patience, err = time.ParseDuration(os.Args[9] + "s"); err == nil {
			err = send(mode, host, port, name, sender, recipient, message, auth, patience)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}

func send(mode, host, port, name, sender, recipient string, message []byte, auth smtp.Auth, patience time.Duration) error {
	dialer := &net.Dialer{Timeout: patience, Deadline: time.Now().Add(2 * patience)}
	config := &tls.Config{ServerName: host}
	var connection net.Conn
	var err error
	if mode == "implicit" {
		connection, err = tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, port), config)
	} else {
		connection, err = dialer.Dial("tcp", net.JoinHostPort(host, port))
	}
	if err != nil {
		return err
	}
	if err = connection.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return err
	}
	client, err := smtp.NewClient(connection, host)
	if err != nil {
		return err
	}
	defer client.Close()
	if err = client.Hello(name); err != nil {
		return err
	}
	if mode == "starttls-required" {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return errors.New("no STARTTLS")
		}
		if err = client.StartTLS(config); err != nil {
			return err
		}
	}
	if auth != nil {
		if err = client.Auth(auth); err != nil {
			return err
		}
	}
	if err = client.Mail(sender); err != nil {
		return err
	}
	if err = client.Rcpt(recipient); err != nil {
		return err
	}
	writer, err := client.Data()
	if err != nil {
		return err
	}
	if _, err = writer.Write(message); err != nil {
		return err
	}
	if err = writer.Close(); err != nil {
		return err
	}
	client.Quit() // the message has been accepted, whatever comes of this
	return nil
}
