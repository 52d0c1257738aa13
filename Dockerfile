# The mail server and its page, with the mail in a volume:
#   docker build -t smtpfix . && docker run -p 1025:1025 -p 8025:8025 -v mail:/data smtpfix
# Everything can be said by the environment: Mailpit's and MailHog's names, and SMTPFIX_SERVE_... for each option.
FROM python:3.13-slim
COPY . /src
RUN pip install --no-cache-dir "/src[web,postgres,scram]" && rm -rf /src \
    && useradd --uid 10001 --no-create-home smtpfix && install -d -o smtpfix -m 700 /data
USER 10001
VOLUME /data
ENV MP_SMTP_BIND_ADDR=0.0.0.0:1025 MP_UI_BIND_ADDR=0.0.0.0:8025 MP_DATABASE=/data/mail.db
EXPOSE 1025 8025
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8025/livez', timeout=3)"]
ENTRYPOINT ["smtpfix"]
CMD ["serve", "--web"]
