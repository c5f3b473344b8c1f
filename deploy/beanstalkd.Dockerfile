# The image of the queue:
#   docker build --file deploy/beanstalkd.Dockerfile --tag croupier-beanstalkd deploy
FROM debian:trixie-slim
# The number is part of the contract: cloudformation.yaml gives the queue's directory to it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends beanstalkd \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner 10002 --group 10002 /var/lib/queue
USER 10002:10002
VOLUME /var/lib/queue
# -b: jobs are there again after a restart. What a loss of power takes within the last 50 ms, the railgun puts again.
CMD ["beanstalkd", "-l", "0.0.0.0", "-p", "11300", "-b", "/var/lib/queue"]
