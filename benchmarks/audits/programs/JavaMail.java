import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.mail.Address;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Send a message by JavaMail, as its documentation has it.
 *
 * arguments: identity mode host port cafile name sender recipient message patience [user password]
 * identity: what mail.smtp.ssl.checkserveridentity is set to
 */
class JavaMail {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 1) {
            System.out.print(Session.class.getPackage().getImplementationVersion());
            return;
        }
        String mode = arguments[1];
        String milliseconds = arguments[9] + "000";
        Properties properties = new Properties();
        properties.put("mail.smtp.host", arguments[2]);
        properties.put("mail.smtp.port", arguments[3]);
        properties.put("mail.smtp.localhost", arguments[5]);
        properties.put("mail.smtp.from", arguments[6]);
        properties.put("mail.smtp.connectiontimeout", milliseconds);
        properties.put("mail.smtp.timeout", milliseconds);
        properties.put("mail.smtp.ssl.enable", mode.equals("implicit"));
        properties.put("mail.smtp.starttls.enable", mode.equals("starttls-required") || mode.equals("opportunistic"));
        properties.put("mail.smtp.starttls.required", mode.equals("starttls-required"));
        properties.put("mail.smtp.ssl.checkserveridentity", arguments[0]);
        properties.put("mail.smtp.auth", arguments.length > 10);
        if (!mode.equals("none")) {
            SSLContext.setDefault(trusting(arguments[4]));
        }
        Session session = Session.getInstance(properties);
        try (InputStream file = new FileInputStream(arguments[8]); Transport transport = session.getTransport("smtp")) {
            MimeMessage message = new MimeMessage(session, file);
            if (arguments.length > 10) {
                transport.connect(arguments[10], arguments[11]);
            } else {
                transport.connect();
            }
            transport.sendMessage(message, new Address[] {new InternetAddress(arguments[7])});
        } catch (Exception error) {
            System.err.println(error);
            System.exit(1);
        }
    }

    /** Return a context whose trust store has the certificates of a PEM file. */
    private static SSLContext trusting(String cafile) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream file = new FileInputStream(cafile)) {
            for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                store.setCertificateEntry("ca" + store.size(), one);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
